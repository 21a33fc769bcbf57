// SPDX-License-Identifier: GPL-2.0
/*
 * Module-owned data in each netns: how many network devices have come to it,
 * to be read in /proc/net/netns_each.
 *
 * See Documentation/networking/netns-generic.rst.
 */
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

struct netns_each {
	atomic_t devices;
};

static unsigned int netns_each_id;

/* No NULL here: the file comes after the data and goes before it. */
static int netns_each_show(struct seq_file *seq, void *v)
{
	struct net *net = seq_file_single_net(seq);
	struct netns_each *ne = net_generic(net, netns_each_id);

	seq_printf(seq, "%d\n", atomic_read(&ne->devices));
	return 0;
}

static int __net_init netns_each_init(struct net *net)
{
	struct netns_each *ne;
	int err;

	ne = kzalloc_obj(*ne, GFP_KERNEL_ACCOUNT);
	if (!ne)
		return -ENOMEM;

	err = net_assign_generic(net, netns_each_id, ne);
	if (err) {
		kfree(ne);
		return err;
	}

	/* From here on the core frees the data, also where init fails. */
	if (!proc_create_net_single("netns_each", 0444, net->proc_net,
				    netns_each_show, NULL))
		return -ENOMEM;

	return 0;
}

static void __net_exit netns_each_exit(struct net *net)
{
	remove_proc_entry("netns_each", net->proc_net);
}

static void netns_each_free(struct net *net, void *data)
{
	kfree(data);
}

static struct pernet_operations netns_each_ops = {
	.init = netns_each_init,
	.exit = netns_each_exit,
	.free = netns_each_free,
};

/* No NULL here: a netns gets the data of a subsys before its first device. */
static int netns_each_event(struct notifier_block *nb, unsigned long event,
			    void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct netns_each *ne;

	if (event != NETDEV_REGISTER)
		return NOTIFY_DONE;

	ne = net_generic(dev_net(dev), netns_each_id);
	atomic_inc(&ne->devices);
	return NOTIFY_DONE;
}

static struct notifier_block netns_each_notifier = {
	.notifier_call = netns_each_event,
};

static int __init netns_each_load(void)
{
	int err;

	err = register_pernet_gen_subsys(&netns_each_id, &netns_each_ops);
	if (err)
		return err;

	/* A hook that reads the data comes last, and goes first. */
	err = register_netdevice_notifier(&netns_each_notifier);
	if (err)
		unregister_pernet_gen_subsys(netns_each_id, &netns_each_ops);

	return err;
}
module_init(netns_each_load);

static void __exit netns_each_unload(void)
{
	unregister_netdevice_notifier(&netns_each_notifier);
	unregister_pernet_gen_subsys(netns_each_id, &netns_each_ops);
}
module_exit(netns_each_unload);

MODULE_DESCRIPTION("Sample of module-owned data in each netns");
MODULE_LICENSE("GPL");
