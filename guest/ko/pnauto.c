// SPDX-License-Identifier: GPL-2.0
/*
 * Phonet devices that configure themselves as they register, for
 * guest/state/phonet.py. In the tree, only USB phones do that.
 */
#include <linux/if_arp.h>
#include <linux/if_phonet.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/phonet.h>
#include <net/rtnetlink.h>

static int error;
module_param(error, int, 0644);
MODULE_PARM_DESC(error, "What asking for an address fails with, or 0");

static int pnauto_siocdevprivate(struct net_device *dev, struct ifreq *ifr,
				 void __user *data, int cmd)
{
	struct if_phonet_req *req = (struct if_phonet_req *)ifr;

	if (cmd != SIOCPNGAUTOCONF)
		return -ENOIOCTLCMD;
	req->ifr_phonet_autoconf.device = PN_DEV_PC;
	return error;
}

static netdev_tx_t pnauto_start_xmit(struct sk_buff *skb,
				     struct net_device *dev)
{
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops pnauto_netdev_ops = {
	.ndo_siocdevprivate	= pnauto_siocdevprivate,
	.ndo_start_xmit		= pnauto_start_xmit,
};

static void pnauto_setup(struct net_device *dev)
{
	dev->type = ARPHRD_PHONET;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP;
	dev->mtu = PHONET_MIN_MTU;
	dev->netdev_ops = &pnauto_netdev_ops;
	dev->needs_free_netdev = true;
}

static struct rtnl_link_ops pnauto_link_ops = {
	.kind	= "pnauto",
	.setup	= pnauto_setup,
};

static int __init pnauto_init(void)
{
	return rtnl_link_register(&pnauto_link_ops);
}
module_init(pnauto_init);

static void __exit pnauto_exit(void)
{
	rtnl_link_unregister(&pnauto_link_ops);
}
module_exit(pnauto_exit);

MODULE_DESCRIPTION("Phonet devices that configure themselves");
MODULE_LICENSE("GPL");
