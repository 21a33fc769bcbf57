// SPDX-License-Identifier: GPL-2.0
/*
 * Core-owned data, by .id and .size: what netns_lazy was before its conversion.
 * The sum of the numbers that a netns has written to /dev/netns_size, until it
 * has been quiet for a second.
 *
 * See Documentation/networking/netns-generic.rst.
 */
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/timer.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

struct netns_size {
	atomic_t sum;
	struct timer_list quiet;
};

static unsigned int netns_size_id;

static void netns_size_quiet(struct timer_list *timer)
{
	struct netns_size *ns = timer_container_of(ns, timer, quiet);

	atomic_set(&ns->sum, 0);
}

static ssize_t netns_size_read(struct file *file, char __user *buf,
			       size_t len, loff_t *pos)
{
	struct net *net = current->nsproxy->net_ns;
	struct netns_size *ns = net_generic(net, netns_size_id);
	char line[16];
	int n;

	n = scnprintf(line, sizeof(line), "%d\n", atomic_read(&ns->sum));
	return simple_read_from_buffer(buf, len, pos, line, n);
}

static ssize_t netns_size_write(struct file *file, const char __user *buf,
				size_t len, loff_t *pos)
{
	struct net *net = current->nsproxy->net_ns;
	struct netns_size *ns = net_generic(net, netns_size_id);
	int err, n;

	err = kstrtoint_from_user(buf, len, 0, &n);
	if (err)
		return err;

	atomic_add(n, &ns->sum);
	mod_timer(&ns->quiet, jiffies + HZ);
	return len;
}

static const struct file_operations netns_size_fops = {
	.owner = THIS_MODULE,
	.read = netns_size_read,
	.write = netns_size_write,
};

static struct miscdevice netns_size_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "netns_size",
	.fops = &netns_size_fops,
	.mode = 0666,
};

static int __net_init netns_size_init(struct net *net)
{
	struct netns_size *ns = net_generic(net, netns_size_id);

	timer_setup(&ns->quiet, netns_size_quiet, 0);
	return 0;
}

static void __net_exit netns_size_exit(struct net *net)
{
	struct netns_size *ns = net_generic(net, netns_size_id);

	timer_shutdown_sync(&ns->quiet);
}

static struct pernet_operations netns_size_ops = {
	.init = netns_size_init,
	.exit = netns_size_exit,
	.id = &netns_size_id,
	.size = sizeof(struct netns_size),
};

static int __init netns_size_load(void)
{
	int err;

	err = register_pernet_subsys(&netns_size_ops);
	if (err)
		return err;

	err = misc_register(&netns_size_dev);
	if (err)
		unregister_pernet_subsys(&netns_size_ops);

	return err;
}
module_init(netns_size_load);

static void __exit netns_size_unload(void)
{
	misc_deregister(&netns_size_dev);
	unregister_pernet_subsys(&netns_size_ops);
}
module_exit(netns_size_unload);

MODULE_DESCRIPTION("Sample of core-owned per-net data");
MODULE_LICENSE("GPL");
