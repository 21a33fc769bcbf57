// SPDX-License-Identifier: GPL-2.0
/*
 * A second first user of a module's per-net state, for guest/state/vxlan.py.
 *
 * No user can make net_assign_generic() refuse what vxlan assigns: newlink
 * holds RTNL and the net, and returns before the id is retired. This module
 * can, and replaces no code. In the net of the task that loads it, it blocks
 * the chain of nexthop notifiers until vxlan waits to register there. Then it
 * assigns its own data to the id that vxlan is about to assign to. Before, it
 * counts the nexthops that its own notifier is told of.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/nexthop.h>

static unsigned long id_at;
module_param(id_at, ulong, 0);
MODULE_PARM_DESC(id_at, "Address of the id, from /proc/kallsyms");

static unsigned int replayed;
module_param(replayed, uint, 0444);
MODULE_PARM_DESC(replayed, "Nexthops that were there at registration");

static bool ready;
module_param(ready, bool, 0444);
MODULE_PARM_DESC(ready, "Waits for the one to rival with");

static int rival_nexthop_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	if (event == NEXTHOP_EVENT_REPLACE)
		replayed++;
	return NOTIFY_DONE;
}

static struct notifier_block rival_nexthops = {
	.notifier_call = rival_nexthop_event,
};

static int __init rival_init(void)
{
	struct net *net = current->nsproxy->net_ns;
	struct rw_semaphore *chain = &net->nexthop.notifier_chain.rwsem;
	struct list_head *data;
	int err;

	err = register_nexthop_notifier(net, &rival_nexthops, NULL);
	if (err)
		return err;
	unregister_nexthop_notifier(net, &rival_nexthops);

	/* Passes for a struct vxlan_net without devices; vxlan will free it */
	data = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	INIT_LIST_HEAD(data);

	down_write(chain);
	ready = true;
	while (!rwsem_is_contended(chain) && !signal_pending(current))
		msleep(20);
	if (signal_pending(current))
		err = -EINTR;
	else
		err = net_assign_generic(net, *(unsigned int *)id_at, data);
	up_write(chain);
	if (err)
		kfree(data);
	return err;
}
module_init(rival_init);

static void __exit rival_exit(void)
{
}
module_exit(rival_exit);

MODULE_DESCRIPTION("A second first user of a module's per-net state");
MODULE_LICENSE("GPL");
