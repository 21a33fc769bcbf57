// SPDX-License-Identifier: GPL-2.0
/*
 * Registers pernet operations in a row, as a machine does that loads its
 * protocols, for guest/bench.py to time. The core owns the data, so that the
 * module is the same on the base.
 */
#include <linux/module.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#define IDS_NUMBER	64

static unsigned int ids[IDS_NUMBER];
static struct pernet_operations ids_ops[IDS_NUMBER];

static void ids_unregister(int n)
{
	while (n--)
		unregister_pernet_subsys(&ids_ops[n]);
}

static int __init ids_init(void)
{
	int err, i;

	for (i = 0; i < IDS_NUMBER; i++) {
		const struct pernet_operations ops = {
			.id	= &ids[i],
			.size	= sizeof(void *),
		};

		memcpy(&ids_ops[i], &ops, sizeof(ops));
		err = register_pernet_subsys(&ids_ops[i]);
		if (err) {
			ids_unregister(i);
			return err;
		}
	}

	return 0;
}
module_init(ids_init);

static void __exit ids_exit(void)
{
	ids_unregister(IDS_NUMBER);
}
module_exit(ids_exit);

MODULE_DESCRIPTION("Pernet operations in a row");
MODULE_LICENSE("GPL");
