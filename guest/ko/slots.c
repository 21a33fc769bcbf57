// SPDX-License-Identifier: GPL-2.0
/*
 * Prints for all nets what lx-netns-generic must print, in its words, for
 * guest/gdb.py. Each value is read as the kernel itself reads it. pernet_list
 * does not change meanwhile, because nothing registers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

static unsigned long list_at;
module_param(list_at, ulong, 0);
MODULE_PARM_DESC(list_at, "Address of pernet_list, from /proc/kallsyms");

static void slots_say(const struct net *net, unsigned int id)
{
	const struct pernet_operations *ops;

	list_for_each_entry(ops, (struct list_head *)list_at, list) {
		if (ops->slot == id)
			pr_info("%4u  %-8s  %#-18lx  %ps\n", id,
				ops->id ? "core" : "module",
				(unsigned long)net_generic(net, id), ops);
	}
}

static int __init slots_init(void)
{
	const struct net_generic *ng;
	const struct net *net;
	unsigned int id;

	down_read(&net_rwsem);
	for_each_net(net) {
		ng = rcu_dereference_protected(net->gen, true);
		pr_info("net %#lx net:[%u]: len %u, %zu bytes\n",
			(unsigned long)net, net->ns.inum, ng->s.len, ksize(ng));
		pr_info("  id  owned by  pointer             owner\n");
		for (id = MIN_PERNET_OPS_ID; id < ng->s.len; id++)
			slots_say(net, id);
	}
	up_read(&net_rwsem);

	return 0;
}
module_init(slots_init);

static void __exit slots_exit(void)
{
}
module_exit(slots_exit);

MODULE_DESCRIPTION("What the slots of all nets hold");
MODULE_LICENSE("GPL");
