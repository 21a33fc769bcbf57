// SPDX-License-Identifier: GPL-2.0
/*
 * Module-owned data from the first use on: the sum of the numbers that a netns
 * has written to /dev/netns_lazy, until it has been quiet for a second.
 *
 * See Documentation/networking/netns-generic.rst.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

struct netns_lazy {
	atomic_t sum;
	struct timer_list quiet;
};

static unsigned int netns_lazy_id;

static void netns_lazy_quiet(struct timer_list *timer)
{
	struct netns_lazy *nl = timer_container_of(nl, timer, quiet);

	atomic_set(&nl->sum, 0);
}

/* Process context; the caller holds @net, so its teardown has not begun. */
static struct netns_lazy *netns_lazy_get(struct net *net)
{
	struct netns_lazy *nl = net_generic(net, netns_lazy_id);
	int err;

	if (nl)
		return nl;

	nl = kzalloc_obj(*nl, GFP_KERNEL_ACCOUNT);
	if (!nl)
		return ERR_PTR(-ENOMEM);

	timer_setup(&nl->quiet, netns_lazy_quiet, 0);

	/* Last, when it is complete: readers see it at once. */
	err = net_assign_generic(net, netns_lazy_id, nl);
	if (!err)
		return nl;

	kfree(nl);
	/* Another first user won. What it assigned stays while @net lives. */
	if (err == -EEXIST)
		return net_generic(net, netns_lazy_id);

	return ERR_PTR(err);
}

/* To ask is no use: a netns without data has nothing to tell. */
static ssize_t netns_lazy_read(struct file *file, char __user *buf,
			       size_t len, loff_t *pos)
{
	struct net *net = current->nsproxy->net_ns;
	struct netns_lazy *nl = net_generic(net, netns_lazy_id);
	char line[16];
	int n;

	n = scnprintf(line, sizeof(line), "%d\n",
		      nl ? atomic_read(&nl->sum) : 0);
	return simple_read_from_buffer(buf, len, pos, line, n);
}

static ssize_t netns_lazy_write(struct file *file, const char __user *buf,
				size_t len, loff_t *pos)
{
	struct netns_lazy *nl;
	int err, n;

	/* First what can be refused: that is to leave no data behind. */
	err = kstrtoint_from_user(buf, len, 0, &n);
	if (err)
		return err;

	nl = netns_lazy_get(current->nsproxy->net_ns);
	if (IS_ERR(nl))
		return PTR_ERR(nl);

	atomic_add(n, &nl->sum);
	mod_timer(&nl->quiet, jiffies + HZ);
	return len;
}

static const struct file_operations netns_lazy_fops = {
	.owner = THIS_MODULE,
	.read = netns_lazy_read,
	.write = netns_lazy_write,
};

static struct miscdevice netns_lazy_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "netns_lazy",
	.fops = &netns_lazy_fops,
	.mode = 0666,
};

/* Stops what runs. It also comes to nets that have no data. */
static void __net_exit netns_lazy_exit(struct net *net)
{
	struct netns_lazy *nl = net_generic(net, netns_lazy_id);

	if (nl)
		timer_shutdown_sync(&nl->quiet);
}

static void netns_lazy_free(struct net *net, void *data)
{
	kfree(data);
}

static struct pernet_operations netns_lazy_ops = {
	.exit = netns_lazy_exit,
	.free = netns_lazy_free,
};

static int __init netns_lazy_load(void)
{
	int err;

	err = register_pernet_gen_subsys(&netns_lazy_id, &netns_lazy_ops);
	if (err)
		return err;

	err = misc_register(&netns_lazy_dev);
	if (err)
		unregister_pernet_gen_subsys(netns_lazy_id, &netns_lazy_ops);

	return err;
}
module_init(netns_lazy_load);

static void __exit netns_lazy_unload(void)
{
	misc_deregister(&netns_lazy_dev);
	unregister_pernet_gen_subsys(netns_lazy_id, &netns_lazy_ops);
}
module_exit(netns_lazy_unload);

MODULE_DESCRIPTION("Sample of module-owned per-net data from the first use on");
MODULE_LICENSE("GPL");
