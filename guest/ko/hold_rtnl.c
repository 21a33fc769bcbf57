// SPDX-License-Identifier: GPL-2.0
/*
 * Holds RTNL until N is written to its parameter, for
 * guest/state/openvswitch.py. Other tasks then get RTNL in the order in which
 * they asked for it.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/sched/signal.h>

static bool held;
module_param(held, bool, 0644);
MODULE_PARM_DESC(held, "RTNL is held");

static int __init hold_rtnl_init(void)
{
	rtnl_lock();
	held = true;
	while (READ_ONCE(held) && !signal_pending(current))
		msleep(20);
	rtnl_unlock();
	return 0;
}
module_init(hold_rtnl_init);

static void __exit hold_rtnl_exit(void)
{
}
module_exit(hold_rtnl_exit);

MODULE_DESCRIPTION("Holds RTNL");
MODULE_LICENSE("GPL");
