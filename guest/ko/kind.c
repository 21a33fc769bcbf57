// SPDX-License-Identifier: GPL-2.0
/*
 * Takes the link kind that vxlan registers, for guest/state/vxlan.py. The load
 * of vxlan then fails after it has registered its pernet operations, its
 * netdevice notifier and its switchdev notifier.
 */
#include <linux/module.h>
#include <net/rtnetlink.h>

static struct rtnl_link_ops kind_ops = {
	.kind	= "vxlan",
};

static int __init kind_init(void)
{
	return rtnl_link_register(&kind_ops);
}
module_init(kind_init);

static void __exit kind_exit(void)
{
	rtnl_link_unregister(&kind_ops);
}
module_exit(kind_exit);

MODULE_DESCRIPTION("The link kind of vxlan, taken");
MODULE_LICENSE("GPL");
