/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic per-net pointers: an elastic, RCU-protected array of pointers on
 * each struct net, one slot for each id that was handed out.
 */

#ifndef __NET_GENERIC_H__
#define __NET_GENERIC_H__

#include <linux/bug.h>
#include <linux/math.h>
#include <linux/rcupdate.h>
#include <net/net_namespace.h>

/**
 * DOC: Generic per-net pointers
 *
 * A module keeps private data on a struct net without a field of its own
 * there.  There are two ways, and a struct pernet_operations goes one of them:
 *
 * * Core-owned: set &pernet_operations.id and &pernet_operations.size and call
 *   register_pernet_subsys() or register_pernet_device().  Each net gets
 *   zeroed memory of that size before &pernet_operations.init.
 * * Module-owned: set &pernet_operations.free and call
 *   register_pernet_gen_subsys() or register_pernet_gen_device().  The module
 *   allocates, when a net first needs it, and hands over the pointer with
 *   net_assign_generic().  From then on the core owns the freeing.
 *
 * Either way net_generic() reads the pointer back, and the pointer does not
 * change until the core clears the slot: on a dying net after every exit
 * callback of every module, on a live net when the module unregisters.
 *
 * The rules for module-owned data:
 *
 * * Assign only complete data: readers see it at once.
 * * A first use with side effects (a proc file, a notifier, a timer) is
 *   serialised by a lock of the module's own.
 * * Exit callbacks accept NULL: they also run on nets that never got data.
 * * Where a registration or the setup of a net fails, &pernet_operations.free
 *   can come without the exit callbacks: what ->init has begun besides the
 *   data, ->init undoes when it fails.
 * * Allocate with %GFP_KERNEL_ACCOUNT where an unprivileged user, or root of a
 *   user namespace, can be the first user.  Core-owned data is not charged.
 * * Publish hooks that call net_generic() after registration has returned, and
 *   take them down before unregistration; those of an object in a net, as a
 *   socket is, may go in the exit callbacks.
 */

/*
 * The header shares its words with the first slots, so that the reader indexes
 * net->gen itself.  Slot 0 stays NULL for as long as a reader can see the
 * array, also while the rcu_head is in use, so that an id that was never
 * handed out reads NULL.
 */
struct net_generic {
	union {
		struct {
			void		*unset;
			struct rcu_head	rcu;
			unsigned int	len;	/* in slots, header included */
			bool		closed;	/* under net_mutex */
		} s;

		DECLARE_FLEX_ARRAY(void *, ptr);
	};
};

/* The first id that is handed out: the one behind the header. */
#define MIN_PERNET_OPS_ID	\
	DIV_ROUND_UP(sizeof(struct net_generic), sizeof(void *))

int register_pernet_gen_subsys(unsigned int *id, struct pernet_operations *ops);
void unregister_pernet_gen_subsys(unsigned int id,
				  struct pernet_operations *ops);
int register_pernet_gen_device(unsigned int *id, struct pernet_operations *ops);
void unregister_pernet_gen_device(unsigned int id,
				  struct pernet_operations *ops);
int net_assign_generic(struct net *net, unsigned int id, void *data);

/**
 * net_generic() - Read a per-net pointer.
 * @net: The network namespace.
 * @id: The id that a registration handed out.
 *
 * The pointer is stable from the time it was assigned until the core clears
 * the slot, which is after all exit callbacks of @net.  Whoever sees the
 * pointer sees all that was written to the data before it was assigned.
 *
 * An id of 0, one that was not handed out yet, reads NULL.  No other id is
 * checked, unless CONFIG_DEBUG_NET is set: then an id that cannot have been
 * handed out, 0 included, reads NULL and warns, once for each call site.
 *
 * Context: Any context.  Takes and releases the RCU lock.
 * Return: The pointer, or NULL if none has been assigned yet or the core has
 * cleared the slot.
 */
static inline void *net_generic(const struct net *net, unsigned int id)
{
	struct net_generic *ng;
	void *ptr;

	rcu_read_lock();
	ng = rcu_dereference(net->gen);
	/*
	 * Pairs with smp_store_release() in net_generic_store().  READ_ONCE()
	 * costs arm64 an instruction a call, and a plain load does where it
	 * keeps the address dependency, as not on Alpha or under LTO:
	 * rcu_read_unlock() is a barrier to the compiler.
	 */
	if (IS_ENABLED(CONFIG_DEBUG_NET) &&
	    WARN_ONCE(id < MIN_PERNET_OPS_ID || id >= ng->s.len,
		      "per-net id %u was not handed out\n", id))
		ptr = NULL;
	else if (IS_ENABLED(CONFIG_KCSAN) || IS_ENABLED(CONFIG_ALPHA) ||
		 IS_ENABLED(CONFIG_LTO))
		ptr = READ_ONCE(ng->ptr[id]);
	else
		ptr = ng->ptr[id];
	rcu_read_unlock();

	return ptr;
}
#endif
