// SPDX-License-Identifier: GPL-2.0
/*
 * Misuses net_assign_generic(), for guest/state/vxlan.py to count the kernel's
 * warnings. KUnit cannot do that: it suppresses a warning before the kernel
 * knows whether it was the first, and it cannot suppress the splat of a caller
 * in atomic context.
 */
#include <linux/module.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

static unsigned int misuse_id;
static char misuse_data;

static void misuse_free(struct net *net, void *data)
{
}

static struct pernet_operations misuse_ops = {
	.free = misuse_free,
};

static int __init misuse_init(void)
{
	unsigned int i;
	int err;

	err = register_pernet_gen_subsys(&misuse_id, &misuse_ops);
	if (err)
		return err;

	for (i = 0; i < 3; i++) {
		if (net_assign_generic(&init_net, 0, &misuse_data) != -EINVAL ||
		    net_assign_generic(&init_net, misuse_id, NULL) != -EINVAL)
			err = -EPROTO;
	}

	preempt_disable();
	if (net_assign_generic(&init_net, misuse_id, &misuse_data))
		err = -EPROTO;
	preempt_enable();

	if (err)
		unregister_pernet_gen_subsys(misuse_id, &misuse_ops);
	return err;
}
module_init(misuse_init);

static void __exit misuse_exit(void)
{
	unregister_pernet_gen_subsys(misuse_id, &misuse_ops);
}
module_exit(misuse_exit);

MODULE_DESCRIPTION("What no module may do with net_assign_generic()");
MODULE_LICENSE("GPL");
