// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for pernet operations and generic per-net pointers.
 *
 * The nets are real: copy_net_ns() makes them, and cleanup_net() destroys them
 * on its workqueue.  Nothing is stubbed.
 *
 * The pernet operations of a case are a table of struct nt_op.  Their
 * callbacks write what they see into one log; what else a callback is to do,
 * the case says in nt_op::hook.  Callbacks also run in other tasks and with
 * locks held, so they only record, and the test's own task judges.
 *
 * The data of a module is a member of its struct nt_op, and .free counts: a
 * double free is a wrong number and not a crash, also without KASAN.  With
 * NT_HEAP it is real memory, freed by call_rcu() as the contract has it.  What
 * the core owns is real memory, too, and counted where the kernel can do that.
 */

#include <kunit/test.h>
#include <kunit/visibility.h>
#include <linux/alloc_tag.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/kthread.h>
#include <linux/limits.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include <asm/sections.h>

#include "dev.h"

#define NT_ERR		(-EOWNERDEAD)	/* of a failing ->init */
#define NT_ID_BEFORE	4711		/* in the id before registration */
#define NT_OPS		4		/* with callbacks */
#define NT_BULK		512		/* without */
#define NT_DATA		16
#define NT_RACES	16
#define NT_NETS		5		/* init_net is the first */
#define NT_LOG		1024
#define NT_LARGE	(32 * 1024)		/* of an array, in slots */
#define NT_TIMEOUT	(10 * HZ)	/* of a wait that should be short */

enum nt_event {
	NT_INIT,
	NT_PRE_EXIT,
	NT_EXIT_RTNL,
	NT_EXIT,
	NT_EXIT_BATCH,
	NT_UNINIT,			/* ndo_uninit of a device in the net */
	NT_FREE,
	NT_EVENTS
};

/* The kind of an nt_op */
#define NT_DEVICE	BIT(0)		/* or else subsys */
#define NT_GEN		BIT(1)		/* register_pernet_gen_*() */
#define NT_NO_PTR	BIT(2)		/*   with a NULL id */
#define NT_ID		BIT(3)
#define NT_SIZE		BIT(4)
#define NT_FREE_FN	BIT(5)
#define NT_LAZY		BIT(6)		/* ->init assigns nothing */
#define NT_HEAP		BIT(7)		/* see nt_assign_heap() */
#define NT_CORE		(NT_ID | NT_SIZE)
#define NT_MODULE	(NT_GEN | NT_FREE_FN)

struct nt_op;
struct nt_thread;

struct nt_data {
	struct nt_op *op;
	struct net *net;
	bool taken;			/* net_assign_generic() returned 0 */
	unsigned int freed;
	struct rcu_head rcu;
};

struct nt_op {
	struct pernet_operations ops;
	unsigned int kind;
	unsigned int id;
	unsigned int last_id;		/* also after a failed registration */
	struct net *fail_net;		/* ->init fails here ... */
	bool fail_new;			/* ... or in a net that is being made */
	int (*hook)(struct nt_op *op, enum nt_event event, struct net *net);
	struct nt_data data[NT_DATA];
	atomic_t used;			/* of data[], or on the heap */
};

struct nt_record {
	struct nt_op *op;
	struct net *net;
	enum nt_event event;
	struct nt_data *slot;		/* what net_generic() gave */
};

struct nt_net {
	struct net *net;
	struct completion gone;
};

struct nt_slots {
	struct net *net;
	unsigned int len;
	void *ptr[];
};

struct nt_fixture {
	struct kunit *test;
	u64 memory;
	struct nt_op op[NT_OPS];
	struct nt_op *bulk[NT_BULK];
	unsigned int bulks;
	struct nt_net net[NT_NETS];
	unsigned int nets;
	struct nt_record log[NT_LOG];
	atomic_t logged;

	/* Of the cases and their hooks */
	struct net *dying;
	int err[NT_EVENTS];
	unsigned int room;
	unsigned int reads;
	struct nt_data *slot;
	struct completion entered;
	struct completion go;
	struct rcu_head rcu;
	bool rcu_done;
	struct rcu_gp_seq gp;
	bool gp_over;
	struct nt_thread *thread[2];
	atomic_long_t *charged;		/* for nets, of the user */
	long charge;
	unsigned int cpu;		/* of the last thread, or of the test */
	atomic_t racers;
	unsigned int readable;
	const struct nt_end_param *end;
	bool *failslab_ignores;
	unsigned long *failslab_verbose;
	unsigned long verbose;
};

static struct nt_fixture *nt;

/* The pernet operations */

static bool nt_is_new(const struct net *net)
{
	unsigned int i;

	for (i = 0; i < nt->nets; i++) {
		if (nt->net[i].net == net)
			return false;
	}

	return true;
}

static int nt_call(struct nt_op *op, enum nt_event event, struct net *net)
{
	unsigned int i = atomic_fetch_inc(&nt->logged);

	WRITE_ONCE(op->last_id, op->id);
	if (i < NT_LOG) {
		nt->log[i].op = op;
		nt->log[i].net = net;
		nt->log[i].event = event;
		nt->log[i].slot = op->id ? net_generic(net, op->id) : NULL;
	}

	return op->hook ? op->hook(op, event, net) : 0;
}

/* As a module does on first use: whoever gets an error still owns the data. */
static int nt_assign_heap(struct nt_op *op, struct net *net)
{
	struct nt_data *data = kzalloc_obj(*data, GFP_KERNEL_ACCOUNT);
	int err;

	if (!data)
		return -ENOMEM;

	data->op = op;
	data->net = net;

	atomic_inc(&op->used);
	err = net_assign_generic(net, op->id, data);
	if (err) {
		atomic_dec(&op->used);
		kfree(data);
	}

	return err;
}

/* The same without an allocation, and each data is there to be judged. */
static int nt_assign(struct nt_op *op, struct net *net)
{
	struct nt_data *data;
	unsigned int i;
	int err;

	if (op->kind & NT_HEAP)
		return nt_assign_heap(op, net);

	i = atomic_fetch_inc(&op->used);
	if (i >= NT_DATA)
		return -ENOMEM;

	data = &op->data[i];
	data->op = op;
	data->net = net;

	err = net_assign_generic(net, op->id, data);
	data->taken = !err;
	return err;
}

static int nt_init(struct nt_op *op, struct net *net)
{
	struct nt_data *data;
	int err;

	err = nt_call(op, NT_INIT, net);
	if (err)
		return err;

	if (op->kind & NT_ID) {
		data = net_generic(net, op->id);
		if (!data)
			return -ENODATA;
		data->op = op;
		data->net = net;
	} else if ((op->kind & NT_GEN) && !(op->kind & NT_LAZY)) {
		err = nt_assign(op, net);
		if (err)
			return err;
	}

	if (op->fail_net == net || (op->fail_new && nt_is_new(net)))
		return NT_ERR;

	return 0;
}

static void nt_exit_batch(struct nt_op *op, struct list_head *nets)
{
	struct net *net;

	list_for_each_entry(net, nets, exit_list)
		nt_call(op, NT_EXIT_BATCH, net);
}

static void nt_free_heap(struct rcu_head *rcu)
{
	struct nt_data *data = container_of(rcu, struct nt_data, rcu);

	atomic_dec(&data->op->used);
	kfree(data);
}

static void nt_free(struct net *net, void *ptr)
{
	struct nt_data *data = ptr;

	nt_call(data->op, NT_FREE, net);
	WRITE_ONCE(data->freed, data->freed + 1);
	if (data->op->kind & NT_HEAP)
		call_rcu(&data->rcu, nt_free_heap);
}

/* A callback is not told whose it is, so each nt_op has its own. */
#define NT_CALLBACKS(i)							\
static int nt_init_##i(struct net *net)					\
{									\
	return nt_init(&nt->op[i], net);				\
}									\
static void nt_pre_exit_##i(struct net *net)				\
{									\
	nt_call(&nt->op[i], NT_PRE_EXIT, net);				\
}									\
static void nt_exit_rtnl_##i(struct net *net, struct list_head *devs)	\
{									\
	nt_call(&nt->op[i], NT_EXIT_RTNL, net);				\
}									\
static void nt_exit_##i(struct net *net)				\
{									\
	nt_call(&nt->op[i], NT_EXIT, net);				\
}									\
static void nt_exit_batch_##i(struct list_head *nets)			\
{									\
	nt_exit_batch(&nt->op[i], nets);				\
}

#define NT_CALLBACKS_OF(i)						\
	{								\
		.init = nt_init_##i,					\
		.pre_exit = nt_pre_exit_##i,				\
		.exit_rtnl = nt_exit_rtnl_##i,				\
		.exit = nt_exit_##i,					\
		.exit_batch = nt_exit_batch_##i,			\
	}

NT_CALLBACKS(0)
NT_CALLBACKS(1)
NT_CALLBACKS(2)
NT_CALLBACKS(3)

static const struct pernet_operations nt_callbacks[NT_OPS] = {
	NT_CALLBACKS_OF(0),
	NT_CALLBACKS_OF(1),
	NT_CALLBACKS_OF(2),
	NT_CALLBACKS_OF(3),
};

static void nt_prepare_op(struct nt_op *op, unsigned int kind,
			  const struct pernet_operations *callbacks)
{
	struct pernet_operations ops = {
		.init = callbacks->init,
		.pre_exit = callbacks->pre_exit,
		.exit_rtnl = callbacks->exit_rtnl,
		.exit = callbacks->exit,
		.exit_batch = callbacks->exit_batch,
		.free = kind & NT_FREE_FN ? nt_free : NULL,
		.id = kind & NT_ID ? &op->id : NULL,
		.size = kind & NT_SIZE ? sizeof(struct nt_data) : 0,
	};

	/* .id and .size are const */
	memcpy(&op->ops, &ops, sizeof(ops));
	op->kind = kind;
}

static struct nt_op *nt_prepare(unsigned int i, unsigned int kind)
{
	nt_prepare_op(&nt->op[i], kind, &nt_callbacks[i]);
	return &nt->op[i];
}

static int nt_do_register(struct nt_op *op)
{
	unsigned int *id = op->kind & NT_NO_PTR ? NULL : &op->id;

	if (op->kind & NT_GEN)
		return op->kind & NT_DEVICE ?
		       register_pernet_gen_device(id, &op->ops) :
		       register_pernet_gen_subsys(id, &op->ops);

	return op->kind & NT_DEVICE ? register_pernet_device(&op->ops) :
				      register_pernet_subsys(&op->ops);
}

static void nt_do_unregister(struct nt_op *op, unsigned int id)
{
	if (op->kind & NT_GEN) {
		if (op->kind & NT_DEVICE)
			unregister_pernet_gen_device(id, &op->ops);
		else
			unregister_pernet_gen_subsys(id, &op->ops);
	} else if (op->kind & NT_DEVICE) {
		unregister_pernet_device(&op->ops);
	} else {
		unregister_pernet_subsys(&op->ops);
	}
}

static void nt_undo_register(void *ptr)
{
	struct nt_op *op = ptr;

	nt_do_unregister(op, op->id);
}

/* Registration that may fail. If not, it is undone with the test. */
static int nt_try_register(struct kunit *test, struct nt_op *op)
{
	int err = nt_do_register(op);

	if (!err)
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test,
							  nt_undo_register,
							  op));

	return err;
}

static void nt_register(struct kunit *test, struct nt_op *op)
{
	KUNIT_ASSERT_EQ(test, nt_try_register(test, op), 0);
}

static void nt_unregister(struct kunit *test, struct nt_op *op)
{
	kunit_release_action(test, nt_undo_register, op);
}

/* Operations by the hundred: ids and data, no callbacks */
static struct nt_op *nt_prepare_bulk(struct kunit *test, unsigned int kind)
{
	static const struct pernet_operations none = {};
	struct nt_op *op;

	KUNIT_ASSERT_LT(test, nt->bulks, NT_BULK);
	op = kunit_kzalloc(test, sizeof(*op), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, op);

	nt_prepare_op(op, kind | NT_LAZY, &none);
	nt->bulk[nt->bulks++] = op;
	return op;
}

static struct nt_op *nt_register_bulk(struct kunit *test, unsigned int kind)
{
	struct nt_op *op = nt_prepare_bulk(test, kind);

	nt_register(test, op);
	return op;
}

/* The nets */

static void nt_watch_exit(struct net *net)
{
	struct nt_fixture *f = READ_ONCE(nt);
	unsigned int i;

	for (i = 0; f && i < f->nets; i++) {
		if (f->net[i].net == net)
			complete(&f->net[i].gone);
	}
}

/* Registered for the whole suite, so its ->exit is among the last. */
static struct pernet_operations nt_watch_ops = {
	.exit = nt_watch_exit,
};

/* Waits until cleanup_net() has run all exit callbacks and the free phase. */
static void nt_wait_gone(struct nt_net *n)
{
	wait_for_completion(&n->gone);
	net_ns_barrier();
}

/* nt_undo_fixture() waits, so that cleanup_net() may take all nets at once. */
static void nt_undo_net(void *ptr)
{
	struct nt_net *n = ptr;

	put_net(n->net);
}

/* Takes over a net that copy_net_ns() has made. */
static struct nt_net *nt_adopt_net(struct kunit *test, struct net *net)
{
	struct nt_net *n = &nt->net[nt->nets];
	int err;

	init_completion(&n->gone);
	n->net = net;
	nt->nets++;
	err = kunit_add_action_or_reset(test, nt_undo_net, n);
	KUNIT_ASSERT_EQ(test, err, 0);
	return n;
}

static void nt_need_net_ns(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_NET_NS))
		kunit_skip(test, "needs CONFIG_NET_NS");
}

static struct net *nt_copy_net(void)
{
	return copy_net_ns(CLONE_NEWNET, &init_user_ns, &init_net);
}

static struct nt_net *nt_new_net(struct kunit *test)
{
	struct net *net;

	nt_need_net_ns(test);
	KUNIT_ASSERT_LT(test, nt->nets, NT_NETS);
	net = nt_copy_net();
	KUNIT_ASSERT_FALSE(test, IS_ERR(net));
	return nt_adopt_net(test, net);
}

/* Two nets beside init_net, where there can be any */
static void nt_live_nets(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_NET_NS))
		return;

	nt_new_net(test);
	nt_new_net(test);
}

static struct nt_net *nt_last_net(void)
{
	return &nt->net[nt->nets - 1];
}

static void nt_delete_last_net(struct kunit *test)
{
	kunit_release_action(test, nt_undo_net, nt_last_net());
	nt_wait_gone(nt_last_net());
	nt->nets--;
}

/* The last reference goes, and cleanup_net() may take its time. */
static void nt_put_net(struct kunit *test, struct nt_net *n)
{
	kunit_remove_action(test, nt_undo_net, n);
	put_net(n->net);
}

static void nt_undo_passive(void *net)
{
	net_passive_dec(net);
}

/* Keeps struct net, and so what net_generic() reads, beyond cleanup_net(). */
static void nt_hold_passive(struct kunit *test, struct net *net)
{
	int err;

	net_passive_inc(net);
	err = kunit_add_action_or_reset(test, nt_undo_passive, net);
	KUNIT_ASSERT_EQ(test, err, 0);
}

/* Until cleanup_net() has given up its own hold on struct net */
static void nt_wait_passive(struct kunit *test, struct net *net)
{
	unsigned long end = jiffies + NT_TIMEOUT;

	while (refcount_read(&net->passive) > 1 && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ(test, refcount_read(&net->passive), 1);
}

static void *nt_array(const struct net *net)
{
	return rcu_access_pointer(net->gen);
}

static unsigned int nt_len(const struct net *net)
{
	unsigned int len;

	rcu_read_lock();
	len = rcu_dereference(net->gen)->s.len;
	rcu_read_unlock();

	return len;
}

static struct nt_slots *nt_snapshot(struct kunit *test, struct net *net)
{
	unsigned int len = nt_len(net);
	struct nt_slots *slots;
	unsigned int id;

	slots = kunit_kzalloc(test, struct_size(slots, ptr, len), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slots);

	slots->net = net;
	slots->len = len;
	for (id = MIN_PERNET_OPS_ID; id < len; id++)
		slots->ptr[id] = net_generic(net, id);

	return slots;
}

static void nt_expect_unchanged(struct kunit *test, struct nt_slots *slots)
{
	unsigned int changed = 0;
	unsigned int id;

	KUNIT_ASSERT_GE(test, nt_len(slots->net), slots->len);
	for (id = MIN_PERNET_OPS_ID; id < slots->len; id++)
		changed += net_generic(slots->net, id) != slots->ptr[id];
	KUNIT_EXPECT_EQ(test, changed, 0);
}

/* The bulk's data in every live net */

static void nt_fill_slots(struct kunit *test, struct nt_op *op)
{
	struct nt_data *data;
	unsigned int i;

	for (i = 0; i < nt->nets; i++) {
		if (op->kind & NT_GEN) {
			KUNIT_ASSERT_EQ(test, nt_assign(op, nt->net[i].net), 0);
			continue;
		}
		data = net_generic(nt->net[i].net, op->id);
		KUNIT_ASSERT_NOT_NULL(test, data);
		data->op = op;
		data->net = nt->net[i].net;
	}
}

static unsigned int nt_wrong_slots(unsigned int bulks)
{
	unsigned int wrong = 0;
	struct nt_data *data;
	unsigned int b, i;

	for (b = 0; b < bulks; b++) {
		for (i = 0; i < nt->nets; i++) {
			data = net_generic(nt->net[i].net, nt->bulk[b]->id);
			wrong += !data || data->op != nt->bulk[b] ||
				 data->net != nt->net[i].net;
		}
	}

	return wrong;
}

static struct nt_op *nt_add_bulk(struct kunit *test)
{
	static const unsigned int kind[] = {
		NT_MODULE, NT_CORE, NT_MODULE | NT_DEVICE, NT_CORE | NT_DEVICE,
	};
	struct nt_op *op;
	unsigned int i;

	op = nt_register_bulk(test, kind[nt->bulks % ARRAY_SIZE(kind)]);
	for (i = 0; i < nt->nets; i++)
		KUNIT_ASSERT_GT(test, nt_len(nt->net[i].net), op->id);

	nt_fill_slots(test, op);
	return op;
}

/* Afterwards no slot is free in the last net, and the next id makes it grow,
 * and all others that are as small. That of init_net may be large from before,
 * but without CONFIG_NET_NS there is no other.
 */
static void nt_fill_array(struct kunit *test)
{
	struct nt_op *op;

	do {
		op = nt_add_bulk(test);
	} while (op->id != nt_len(nt_last_net()->net) - 1);
}

/* The log, read by the test when nobody writes it any more */

static void nt_forget(void)
{
	atomic_set(&nt->logged, 0);
}

/* How many there are of an op, in one net or, with NULL, in all */
static unsigned int nt_count(const struct nt_op *op, enum nt_event event,
			     const struct net *net)
{
	unsigned int n = min(atomic_read(&nt->logged), NT_LOG);
	unsigned int count = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		count += nt->log[i].op == op && nt->log[i].event == event &&
			 (!net || nt->log[i].net == net);

	return count;
}

/* The first of them, -1 if there is none */
static int nt_where(const struct nt_op *op, enum nt_event event,
		    const struct net *net)
{
	int n = min(atomic_read(&nt->logged), NT_LOG);
	int i;

	for (i = 0; i < n; i++) {
		if (nt->log[i].op == op && nt->log[i].event == event &&
		    (!net || nt->log[i].net == net))
			return i;
	}

	return -1;
}

/* All of what ops_undo_list() does for an op in a net, or nothing of it. */
static void nt_expect_exits(struct kunit *test, const struct nt_op *op,
			    const struct net *net, unsigned int times)
{
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_PRE_EXIT, net), times);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_EXIT_RTNL, net), times);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_EXIT, net), times);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_EXIT_BATCH, net), times);
}

/* Exit callbacks find the data, .free finds the slot empty, and after the
 * first .free there is no other callback.
 */
static void nt_expect_free_is_last(struct kunit *test)
{
	unsigned int n = min(atomic_read(&nt->logged), NT_LOG);
	bool freeing = false;
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct nt_record *r = &nt->log[i];

		if (r->event == NT_INIT)
			continue;
		if (r->event == NT_FREE) {
			freeing = true;
			KUNIT_EXPECT_NULL(test, r->slot);
			continue;
		}
		KUNIT_EXPECT_FALSE(test, freeing);
		KUNIT_ASSERT_NOT_NULL(test, r->slot);
		if (!(r->op->kind & NT_GEN))
			continue;
		KUNIT_EXPECT_PTR_EQ(test, r->slot->op, r->op);
		KUNIT_EXPECT_PTR_EQ(test, r->slot->net, r->net);
	}
}

/* What the core took it has freed, once; what it refused it left alone. */
static void nt_expect_freed(struct kunit *test, const struct nt_op *op)
{
	unsigned int i;

	for (i = 0; i < NT_DATA; i++)
		KUNIT_EXPECT_EQ(test, op->data[i].freed, op->data[i].taken);
}

static void nt_expect_not_freed(struct kunit *test, const struct nt_op *op)
{
	unsigned int i;

	for (i = 0; i < NT_DATA; i++)
		KUNIT_EXPECT_EQ(test, op->data[i].freed, 0);
}

static void nt_expect_cleared(struct kunit *test, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < nt->nets; i++)
		KUNIT_EXPECT_NULL(test, net_generic(nt->net[i].net, id));
}

static void nt_expect_heap(struct kunit *test, const struct nt_op *op,
			   int used)
{
	if (op->kind & NT_HEAP)
		KUNIT_EXPECT_EQ(test, atomic_read(&op->used), used);
}

/* Where WARN_ONCE() is generic code, one that is suppressed was the one. */
static struct kunit *nt_rearmed(struct kunit *test)
{
#ifndef MODULE
	memset(__start_once, 0, __end_once - __start_once);
#endif
	return test;
}

static void nt_need_warnings(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_BUG))
		kunit_skip(test, "needs CONFIG_BUG");
}

/* Threads: they count, the test judges once they are done */

struct nt_thread {
	struct task_struct *task;
	int (*fn)(struct nt_thread *thread);
	struct completion done;
	bool entered;
	bool go;
	atomic_t ping;
	struct nt_op *op;
	struct net *net;
	unsigned int nr;
	unsigned int bad;
	unsigned int fail_nth;
	int err;
	int errs[NT_RACES];
	struct net_generic *ng[NT_NETS];
	struct nt_slots *slots[NT_NETS];
	struct net_device *dev[2];
};

static int nt_thread_main(void *ptr)
{
	struct nt_thread *thread = ptr;

	WRITE_ONCE(thread->entered, true);
	thread->err = thread->fn(thread);
	complete(&thread->done);
	return 0;
}

static void nt_undo_thread(void *ptr)
{
	kthread_stop_put(ptr);
}

/* It waits for nt_start_thread(). */
static struct nt_thread *nt_new_thread(struct kunit *test,
				       int (*fn)(struct nt_thread *thread))
{
	struct nt_thread *thread;
	int err;

	thread = kunit_kzalloc(test, sizeof(*thread), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	thread->fn = fn;
	init_completion(&thread->done);

	thread->task = kthread_create(nt_thread_main, thread, "net_namespace");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread->task));
	nt->cpu = cpumask_next_wrap(nt->cpu, cpu_online_mask);
	kthread_bind(thread->task, nt->cpu);
	get_task_struct(thread->task);
	err = kunit_add_action_or_reset(test, nt_undo_thread, thread->task);
	KUNIT_ASSERT_EQ(test, err, 0);
	return thread;
}

static void nt_start_thread(struct nt_thread *thread)
{
	wake_up_process(thread->task);
}

static void nt_stop_thread(struct kunit *test, struct nt_thread *thread)
{
	kunit_release_action(test, nt_undo_thread, thread->task);
	nt->cpu = raw_smp_processor_id();
}

static void nt_join_thread(struct kunit *test, struct nt_thread *thread)
{
	wait_for_completion(&thread->done);
	nt_stop_thread(test, thread);
}

/* Until the thread waits for a lock that the caller holds. Before it enters its
 * function a kthread sleeps for reasons of its own.
 */
static void nt_wait_blocked(struct nt_thread *thread)
{
	while (!READ_ONCE(thread->entered) || task_is_running(thread->task))
		schedule_timeout_uninterruptible(1);
}

/* A reader lets whom it races with have the CPU, if there is only one. */
static void nt_breathe(void)
{
	if (num_online_cpus() < 2)
		schedule_timeout_uninterruptible(1);
	else
		cond_resched();
}

static void nt_answer(struct nt_thread *thread)
{
	if (atomic_read(&thread->ping))
		atomic_set(&thread->ping, 0);
}

/* Until the thread, on another CPU, answers at once, or not for long: a guest's
 * CPU may stand still for longer than a race lasts while its host is busy.
 */
static void nt_meet(struct nt_thread *thread)
{
	unsigned long end = jiffies + HZ / 2;
	unsigned long start;
	unsigned int i;

	if (num_online_cpus() < 2)
		return;

	do {
		start = jiffies;
		for (i = 0; i < 100; i++) {
			atomic_set(&thread->ping, 1);
			while (atomic_read(&thread->ping))
				cond_resched();
		}
	} while (time_after(jiffies, start) && time_before(jiffies, end));
}

/* In UML no interrupt preempts the kernel. */
static void nt_need_concurrent_reader(struct kunit *test)
{
	if (num_online_cpus() < 2 && (!IS_ENABLED(CONFIG_PREEMPT_RCU) ||
				      IS_ENABLED(CONFIG_UML)))
		kunit_skip(test, "needs two CPUs or CONFIG_PREEMPT_RCU");
}

/* Memory of the core: how many arrays and core-owned data are allocated. Only
 * what is built in reaches the counters.
 */

#if IS_ENABLED(CONFIG_MEM_ALLOC_PROFILING) && !defined(MODULE)
extern struct alloc_tag __start_alloc_tags[], __stop_alloc_tags[];

static u64 nt_allocated(const char *function)
{
	struct alloc_tag *tag;
	u64 allocated = 0;

	for (tag = __start_alloc_tags; tag < __stop_alloc_tags; tag++) {
		if (!strcmp(tag->ct.function, function) &&
		    strstr(tag->ct.filename, "net/core/net_namespace.c"))
			allocated += alloc_tag_read(tag).calls;
	}

	return allocated;
}
#else
static u64 nt_allocated(const char *function)
{
	return 0;
}
#endif

static u64 nt_arrays(void)
{
	return nt_allocated("net_alloc_generic");
}

static u64 nt_memory(void)
{
	return nt_arrays() + nt_allocated("ops_init");
}

/* cleanup_net() lets the barrier pass before it has freed the last array. Once
 * something has leaked, do not wait as long for each that will, too.
 */
static void nt_expect_memory(struct kunit *test, u64 memory)
{
	static bool leaked;
	unsigned long end = jiffies + (leaked ? HZ / 10 : NT_TIMEOUT);

	rcu_barrier();
	while (nt_memory() != memory && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	leaked |= nt_memory() != memory;
	KUNIT_EXPECT_EQ(test, nt_memory(), memory);
}

/* Failing allocations: the n-th that the task asks of the slab. By default
 * failslab spares those that may sleep, and tells of each that fails. The
 * switches are in debugfs only, which nobody may have mounted yet.
 */

/* What the allocator asks for by itself, and does without, it may not ask for
 * the next time: then another allocation is the n-th. So that none is left out,
 * the same n is tried again before the next.
 */
#define NT_TRIES	3

#ifdef CONFIG_FAULT_INJECTION
/* Returns how many were still to come, 0 if one has failed. */
static unsigned int nt_fail_nth(struct task_struct *task, unsigned int n)
{
	return xchg(&task->fail_nth, n);
}
#else
static unsigned int nt_fail_nth(struct task_struct *task, unsigned int n)
{
	return n;
}
#endif

static void *nt_failslab_switch(const char *name)
{
	struct dentry *dir, *file = NULL;
	void *value = NULL;

	dir = debugfs_lookup("failslab", NULL);
	if (IS_ERR_OR_NULL(dir))
		return NULL;

	file = debugfs_lookup(name, dir);
	if (!IS_ERR_OR_NULL(file)) {
		value = d_inode(file)->i_private;
		dput(file);
	}
	dput(dir);

	return value;
}

static void nt_undo_failslab(void *ptr)
{
	struct nt_fixture *f = ptr;

	*f->failslab_ignores = true;
	*f->failslab_verbose = f->verbose;
}

static void nt_need_failslab(struct kunit *test)
{
	int err;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "needs CONFIG_FAILSLAB");

	nt->failslab_ignores = nt_failslab_switch("ignore-gfp-wait");
	nt->failslab_verbose = nt_failslab_switch("verbose");
	if (!nt->failslab_ignores || !nt->failslab_verbose)
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION_DEBUG_FS");
	if (!*nt->failslab_ignores)
		kunit_skip(test, "needs failslab, which is in use");

	nt->verbose = *nt->failslab_verbose;
	*nt->failslab_verbose = 0;
	*nt->failslab_ignores = false;
	err = kunit_add_action_or_reset(test, nt_undo_failslab, nt);
	KUNIT_ASSERT_EQ(test, err, 0);
}

/* The fixture */

static void nt_undo_fixture(void *ptr)
{
	struct nt_fixture *f = ptr;
	unsigned int i;

	for (i = 1; i < f->nets; i++)
		nt_wait_gone(&f->net[i]);
	rcu_barrier();		/* nt_fixture::rcu */
	WRITE_ONCE(nt, NULL);
	net_ns_barrier();	/* nt_watch_exit() */
	nt_expect_memory(f->test, f->memory);
	kvfree(f);
}

static int nt_test_init(struct kunit *test)
{
	struct nt_fixture *f = kvzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;

	init_completion(&f->entered);
	init_completion(&f->go);
	f->net[0].net = &init_net;
	f->nets = 1;
	f->test = test;
	/* The scheduler would put whom a thread wakes on that one's CPU. */
	f->cpu = raw_smp_processor_id();
	set_cpus_allowed_ptr(current, cpumask_of(f->cpu));
	f->memory = nt_memory();
	WRITE_ONCE(nt, f);
	net_generic_set_room(0);
	/* Added first and so run last: also after .exit */
	return kunit_add_action_or_reset(test, nt_undo_fixture, f);
}

static void nt_test_exit(struct kunit *test)
{
	/* It runs also when nt_test_init() has failed. */
	if (nt)
		KUNIT_EXPECT_LE(test, atomic_read(&nt->logged), NT_LOG);
}

static int nt_suite_init(struct kunit_suite *suite)
{
	return register_pernet_subsys(&nt_watch_ops);
}

static void nt_suite_exit(struct kunit_suite *suite)
{
	unregister_pernet_subsys(&nt_watch_ops);
}

/* Registration */

/* An id that is 0, or below the first one, would read the header as a pointer.
 * Two equal ones would share the data.
 */
static void register_hands_out_ids(struct kunit *test)
{
	static const unsigned int kind[NT_OPS] = {
		NT_MODULE | NT_LAZY, NT_CORE,
		NT_MODULE | NT_LAZY | NT_DEVICE, NT_CORE | NT_DEVICE,
	};
	unsigned int i, j;
	void *slot;

	nt_live_nets(test);

	for (i = 0; i < NT_OPS; i++)
		nt_register(test, nt_prepare(i, kind[i]));

	for (i = 0; i < NT_OPS; i++) {
		KUNIT_EXPECT_GE(test, nt->op[i].id, MIN_PERNET_OPS_ID);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, nt->op[i].id, nt->op[j].id);
		for (j = 0; j < nt->nets; j++) {
			slot = net_generic(nt->net[j].net, nt->op[i].id);
			KUNIT_EXPECT_EQ(test, !slot, !(kind[i] & NT_ID));
		}
	}
}

struct nt_kind_param {
	const char *name;
	unsigned int kind;
};

static const struct nt_kind_param nt_kind_params[] = {
	{ "module subsys", NT_MODULE },
	{ "module device", NT_MODULE | NT_DEVICE },
	{ "core subsys", NT_CORE },
	{ "core device", NT_CORE | NT_DEVICE },
};

KUNIT_ARRAY_PARAM_DESC(nt_kind, nt_kind_params, name);

static const struct nt_kind_param nt_any_params[] = {
	{ "module subsys", NT_MODULE },
	{ "module device", NT_MODULE | NT_DEVICE },
	{ "core subsys", NT_CORE },
	{ "core device", NT_CORE | NT_DEVICE },
	{ "subsys without data", 0 },
	{ "device without data", NT_DEVICE },
};

KUNIT_ARRAY_PARAM_DESC(nt_any, nt_any_params, name);

static const struct nt_kind_param nt_module_params[] = {
	{ "subsys", NT_MODULE },
	{ "device", NT_MODULE | NT_DEVICE },
};

KUNIT_ARRAY_PARAM_DESC(nt_module, nt_module_params, name);

/* Up to 7.3 a slot kept the freed pointer after unregistration, and whoever
 * got the id next found it.
 */
static void register_reuses_id(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *old = nt_prepare(0, param->kind);
	struct nt_op *other = nt_prepare(1, param->kind);
	struct nt_op *next = nt_prepare(2, NT_MODULE | NT_LAZY);
	unsigned int i;

	nt_live_nets(test);
	nt_register(test, old);
	nt_register(test, other);

	nt_unregister(test, old);
	nt_register(test, next);

	KUNIT_EXPECT_EQ(test, next->id, old->id);
	for (i = 0; i < nt->nets; i++) {
		int at = nt_where(next, NT_INIT, nt->net[i].net);

		KUNIT_ASSERT_GE(test, at, 0);
		KUNIT_EXPECT_NULL(test, nt->log[at].slot);
	}
	nt_expect_cleared(test, next->id);
	nt_expect_freed(test, old);
	nt_expect_not_freed(test, other);
}

static const struct nt_kind_param nt_bad_ops_params[] = {
	{ "gen, NULL id", NT_MODULE | NT_NO_PTR },
	{ "gen, no .free", NT_GEN },
	{ "gen, .id and .size", NT_MODULE | NT_CORE },
	{ "gen, .id", NT_MODULE | NT_ID },
	{ "gen, .size", NT_MODULE | NT_SIZE },
	{ ".free", NT_FREE_FN },
	{ ".free, .id and .size", NT_CORE | NT_FREE_FN },
	/* An entry wasted in every array, pppol2tp until 1ad001347fb1 */
	{ ".id without .size", NT_ID },
	{ ".size without .id", NT_SIZE },
};

KUNIT_ARRAY_PARAM_DESC(nt_bad_ops, nt_bad_ops_params, name);

/* Two owners of one slot, as l2tp once had (e773aaff82b6), or none. */
static void register_bad_ops(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op;
	unsigned int i;

	nt_need_warnings(test);

	for (i = 0; i < 2; i++) {
		op = nt_prepare(i, param->kind | (i ? NT_DEVICE : 0));
		op->id = NT_ID_BEFORE;
		kunit_warning_suppress(nt_rearmed(test)) {
			KUNIT_EXPECT_EQ(test, nt_try_register(test, op),
					-EINVAL);
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
		}
		KUNIT_EXPECT_EQ(test, op->id, NT_ID_BEFORE);
	}

	/* Nothing is left linked that a new net would run. */
	if (IS_ENABLED(CONFIG_NET_NS))
		nt_new_net(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&nt->logged), 0);
}

/* Linking the same ops twice would corrupt the list. */
static void register_gen_twice(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	unsigned int again = NT_ID_BEFORE;
	unsigned int i;
	int err;

	nt_need_warnings(test);
	nt_live_nets(test);
	nt_register(test, op);

	kunit_warning_suppress(nt_rearmed(test)) {
		err = param->kind & NT_DEVICE ?
		      register_pernet_gen_device(&again, &op->ops) :
		      register_pernet_gen_subsys(&again, &op->ops);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	KUNIT_EXPECT_EQ(test, again, NT_ID_BEFORE);
	for (i = 0; i < nt->nets; i++) {
		KUNIT_EXPECT_EQ(test, nt_count(op, NT_INIT, nt->net[i].net), 1);
		KUNIT_EXPECT_NOT_NULL(test,
				      net_generic(nt->net[i].net, op->id));
	}
	nt_expect_not_freed(test, op);
	nt_unregister(test, op);
	nt_expect_freed(test, op);
}

/* openvswitch walks the nets in its callbacks, so others may read an id in a
 * net whose ->init has still to come.
 */
static int nt_read_in_last_net(struct nt_op *op, enum nt_event event,
			       struct net *net)
{
	struct net *last = nt_last_net()->net;

	if (event == NT_INIT && net == &init_net) {
		nt->room = nt_len(last);
		nt->slot = net_generic(last, op->id);
	}

	return 0;
}

static void register_has_room_before_init(struct kunit *test)
{
	struct nt_op *op = nt_prepare(0, NT_MODULE);

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_fill_array(test);
	op->hook = nt_read_in_last_net;

	nt_register(test, op);

	KUNIT_EXPECT_GT(test, nt->room, op->id);
	KUNIT_EXPECT_NULL(test, nt->slot);
}

struct nt_fail_param {
	const char *name;
	unsigned int kind;
	unsigned int k;
};

static const struct nt_fail_param nt_fail_params[] = {
	{ "module subsys, 0", NT_MODULE, 0 },
	{ "module device, 0", NT_MODULE | NT_DEVICE, 0 },
	{ "core subsys, 0", NT_CORE, 0 },
	{ "core device, 0", NT_CORE | NT_DEVICE, 0 },
	{ "module subsys, 1", NT_MODULE, 1 },
	{ "module device, 1", NT_MODULE | NT_DEVICE, 1 },
	{ "core subsys, 1", NT_CORE, 1 },
	{ "core device, 1", NT_CORE | NT_DEVICE, 1 },
	{ "module subsys, 2", NT_MODULE, 2 },
	{ "module device, 2", NT_MODULE | NT_DEVICE, 2 },
	{ "core subsys, 2", NT_CORE, 2 },
	{ "core device, 2", NT_CORE | NT_DEVICE, 2 },
};

KUNIT_ARRAY_PARAM_DESC(nt_fail, nt_fail_params, name);

/* The slot of the net or op that failed, seen by those that are undone then:
 * nfqnl_nf_hook_drop() found freed data there until d266935ac43d.
 */
static int nt_read_failed(struct nt_op *op, enum nt_event event,
			  struct net *net)
{
	if (event != NT_PRE_EXIT && event != NT_EXIT)
		return 0;

	if (nt->dying)				/* another net */
		nt->slot = nt->slot ?: net_generic(nt->dying, op->id);
	else if (nt_is_new(net))		/* another op */
		nt->slot = nt->slot ?: net_generic(net, nt->op[3].id);

	nt->reads++;
	return 0;
}

/* ->init fails at the k-th net. The net's own data leaked until 2012; freeing
 * it gave a double free of the array (486a87f1e562), a dangling slot
 * (d266935ac43d) and a use after free (71ab9c3e2253) in turn.
 */
static void register_init_fails(struct kunit *test)
{
	const struct nt_fail_param *param = test->param_value;
	struct nt_op *neighbour = nt_prepare(0, NT_MODULE);
	struct nt_op *op = nt_prepare(1, param->kind);
	struct nt_slots *slots[NT_NETS];
	unsigned int failed_id;
	unsigned int i;

	if (param->k)
		nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, neighbour);
	for (i = 0; i < nt->nets; i++)
		slots[i] = nt_snapshot(test, nt->net[i].net);
	nt_forget();
	nt->dying = nt->net[param->k].net;
	op->id = NT_ID_BEFORE;
	op->fail_net = nt->dying;
	op->hook = nt_read_failed;

	KUNIT_EXPECT_EQ(test, nt_try_register(test, op), NT_ERR);

	KUNIT_EXPECT_EQ(test, op->id, 0);
	KUNIT_EXPECT_EQ(test, nt->reads, 2 * param->k);
	KUNIT_EXPECT_NULL(test, nt->slot);
	for (i = 0; i < nt->nets; i++) {
		const struct net *net = nt->net[i].net;

		KUNIT_EXPECT_EQ(test, nt_count(op, NT_INIT, net),
				i <= param->k);
		nt_expect_exits(test, op, net, i < param->k);
		if (param->kind & NT_GEN)
			KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, net),
					i <= param->k);
		nt_expect_unchanged(test, slots[i]);
	}
	nt_expect_freed(test, op);
	nt_expect_not_freed(test, neighbour);

	/* The same id is good again. */
	failed_id = op->last_id;
	op->fail_net = NULL;
	op->hook = NULL;
	nt_register(test, op);
	KUNIT_EXPECT_EQ(test, op->id, failed_id);
	for (i = 0; i < nt->nets; i++)
		KUNIT_EXPECT_NOT_NULL(test,
				      net_generic(nt->net[i].net, op->id));
	nt_unregister(test, op);
	nt_expect_freed(test, op);
}

/* A net that never got data has none to free. */
static int nt_fail_early(struct nt_op *op, enum nt_event event,
			 struct net *net)
{
	return event == NT_INIT && net == nt->dying ? NT_ERR : 0;
}

static void register_init_fails_before_assign(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	unsigned int i;

	nt_live_nets(test);
	nt->dying = nt_last_net()->net;
	op->hook = nt_fail_early;

	KUNIT_EXPECT_EQ(test, nt_try_register(test, op), NT_ERR);

	for (i = 0; i < nt->nets; i++)
		KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, nt->net[i].net),
				nt->net[i].net != nt->dying);
	nt_expect_cleared(test, op->last_id);
	nt_expect_freed(test, op);
}

/* The id is out before ->init, so a net that ->init did not reach may have had
 * its first user already.
 */
static int nt_assign_last_net(struct nt_op *op, enum nt_event event,
			      struct net *net)
{
	if (event != NT_INIT)
		return 0;

	nt->err[NT_INIT] = nt_assign(op, nt_last_net()->net);
	return NT_ERR;
}

static void register_init_fails_frees_other_nets(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);
	struct nt_net *last;

	nt_live_nets(test);
	last = nt_last_net();
	op->hook = nt_assign_last_net;

	KUNIT_EXPECT_EQ(test, nt_try_register(test, op), NT_ERR);

	KUNIT_EXPECT_EQ(test, nt->err[NT_INIT], 0);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, last->net), 1);
	nt_expect_exits(test, op, NULL, 0);
	nt_expect_free_is_last(test);
	nt_expect_freed(test, op);
	nt_expect_cleared(test, op->last_id);
}

/* Whoever saw the data of a failed ->init in its slot may still read it: the
 * slot is cleared, then a grace period passes, and then the data is freed.
 */
static int nt_time_failed_init(struct nt_op *op, enum nt_event event,
			       struct net *net)
{
	if (event == NT_FREE)
		nt->gp_over = poll_state_synchronize_rcu_full(&nt->gp);
	if (event != NT_INIT || !op->fail_new != !nt_is_new(net))
		return 0;

	nt->err[NT_INIT] = nt_assign(op, net);
	get_state_synchronize_rcu_full(&nt->gp);
	return NT_ERR;
}

static void register_init_fails_waits_for_readers(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);

	op->hook = nt_time_failed_init;

	KUNIT_EXPECT_EQ(test, nt_try_register(test, op), NT_ERR);

	KUNIT_EXPECT_EQ(test, nt->err[NT_INIT], 0);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, &init_net), 1);
	KUNIT_EXPECT_TRUE(test, nt->gp_over);
	nt_expect_freed(test, op);
}

/* The same with a reader that really is there. */
static int nt_read_freed(struct nt_thread *thread)
{
	struct nt_data *data, *again;
	unsigned int bad, id;
	int i;

	while (!kthread_should_stop()) {
		rcu_read_lock();
		/* Pairs with WRITE_ONCE() in register_pernet_slot() */
		id = READ_ONCE(thread->op->id);
		data = id ? net_generic(&init_net, id) : NULL;
		bad = data && data->op != thread->op;
		for (i = 0; data && i < 1000; i++) {
			nt_answer(thread);
			again = net_generic(&init_net, id);
			bad += again && again != data;
			bad += READ_ONCE(data->freed);
			cpu_relax();
		}
		rcu_read_unlock();

		thread->bad += bad;
		if (!thread->nr++)
			complete(&nt->entered);
		nt_breathe();
	}

	return 0;
}

static int nt_fail_beside_reader(struct nt_op *op, enum nt_event event,
				 struct net *net)
{
	if (event != NT_INIT)
		return 0;

	nt->err[NT_INIT] = nt_assign(op, net);
	if (net_generic(net, op->id))
		nt_meet(nt->thread[0]);
	return NT_ERR;
}

static void register_init_fails_beside_reader(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	struct nt_thread *reader;
	unsigned int i;

	op->hook = nt_fail_beside_reader;
	reader = nt_new_thread(test, nt_read_freed);
	reader->op = op;
	nt->thread[0] = reader;
	nt_start_thread(reader);
	wait_for_completion(&nt->entered);

	for (i = 0; i < NT_DATA; i++) {
		KUNIT_EXPECT_EQ(test, nt_try_register(test, op), NT_ERR);
		KUNIT_EXPECT_EQ(test, nt->err[NT_INIT], 0);
	}

	nt_stop_thread(test, reader);
	KUNIT_EXPECT_EQ(test, reader->bad, 0);
	nt_expect_freed(test, op);
}

/* Data that is assigned from .free, which runs at the net that failed before
 * the id is retired.
 */
static int nt_assign_from_free(struct nt_op *op, enum nt_event event,
			       struct net *net)
{
	if (event == NT_FREE) {
		nt_rearmed(nt->test);
		nt->err[NT_FREE] = nt_assign(op, net);
		nt->reads += nt->err[NT_FREE] == -EINVAL;
	}

	return 0;
}

static void register_init_fails_assigns_from_free(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);

	nt_need_warnings(test);
	nt_live_nets(test);
	op->fail_net = nt_last_net()->net;
	op->hook = nt_assign_from_free;

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_EQ(test, nt_try_register(test, op), NT_ERR);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, nt->reads);
	}

	KUNIT_EXPECT_EQ(test, nt->err[NT_FREE], -EINVAL);
	nt_expect_freed(test, op);
	nt_expect_cleared(test, op->last_id);
}

/* Unregistration */

/* Devices go before subsystems (959d2726), the last registered first, and all
 * exit callbacks of an op in all nets before its first .free.
 */
static void unregister_exits_before_free(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	unsigned int i;

	nt_live_nets(test);
	nt_register(test, op);
	nt_forget();

	nt_unregister(test, op);

	for (i = 0; i < nt->nets; i++) {
		const struct net *net = nt->net[i].net;

		nt_expect_exits(test, op, net, 1);
		KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, net),
				!!(param->kind & NT_GEN));
	}
	nt_expect_free_is_last(test);
	nt_expect_freed(test, op);
	nt_expect_cleared(test, op->last_id);
}

/* The other op of either owner keeps what it has. */
static void unregister_leaves_neighbours(struct kunit *test)
{
	static const unsigned int kind[NT_OPS] = {
		NT_MODULE, NT_CORE, NT_MODULE | NT_DEVICE, NT_CORE | NT_DEVICE,
	};
	struct nt_slots *slots[NT_NETS];
	unsigned int gone, i;

	nt_live_nets(test);
	for (i = 0; i < NT_OPS; i++)
		nt_register(test, nt_prepare(i, kind[i]));

	for (gone = 0; gone < NT_OPS; gone++) {
		for (i = 0; i < nt->nets; i++)
			slots[i] = nt_snapshot(test, nt->net[i].net);

		nt_unregister(test, &nt->op[gone]);

		nt_expect_cleared(test, nt->op[gone].last_id);
		for (i = 0; i < nt->nets; i++) {
			slots[i]->ptr[nt->op[gone].last_id] = NULL;
			nt_expect_unchanged(test, slots[i]);
		}
	}
}

/* A module hands over the wrong variable. Coming back with the ops still
 * linked would leave the list in freed module memory.
 */
enum nt_wrong_id { NT_ID_ZERO, NT_ID_OF_OTHER, NT_ID_MAX };

struct nt_wrong_id_param {
	const char *name;
	enum nt_wrong_id id;
	unsigned int kind;
};

static const struct nt_wrong_id_param nt_wrong_id_params[] = {
	{ "0, subsys", NT_ID_ZERO, NT_MODULE },
	{ "of another op, subsys", NT_ID_OF_OTHER, NT_MODULE },
	{ "UINT_MAX, subsys", NT_ID_MAX, NT_MODULE },
	{ "0, device", NT_ID_ZERO, NT_MODULE | NT_DEVICE },
	{ "of another op, device", NT_ID_OF_OTHER, NT_MODULE | NT_DEVICE },
	{ "UINT_MAX, device", NT_ID_MAX, NT_MODULE | NT_DEVICE },
};

KUNIT_ARRAY_PARAM_DESC(nt_wrong_id, nt_wrong_id_params, name);

static void unregister_wrong_id(struct kunit *test)
{
	const struct nt_wrong_id_param *param = test->param_value;
	struct nt_op *other = nt_prepare(0, NT_MODULE);
	struct nt_op *op = nt_prepare(1, param->kind);
	unsigned int wrong;

	nt_need_warnings(test);
	nt_live_nets(test);
	nt_register(test, other);
	nt_register(test, op);
	wrong = param->id == NT_ID_ZERO ? 0 :
		param->id == NT_ID_MAX ? UINT_MAX : other->id;

	kunit_warning_suppress(nt_rearmed(test)) {
		nt_do_unregister(op, wrong);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	nt_expect_exits(test, op, &init_net, 1);
	if (nt_count(op, NT_EXIT, &init_net))
		kunit_remove_action(test, nt_undo_register, op);
	nt_expect_freed(test, op);
	nt_expect_cleared(test, op->last_id);
	nt_expect_exits(test, other, NULL, 0);
	nt_expect_not_freed(test, other);
	KUNIT_EXPECT_NOT_NULL(test, net_generic(&init_net, other->id));
}

/* The error path of a module init goes one step too far back. */
static void unregister_not_registered(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *other = nt_prepare(0, NT_MODULE);
	struct nt_op *op = nt_prepare(1, param->kind);

	nt_need_warnings(test);
	nt_live_nets(test);
	nt_register(test, other);

	kunit_warning_suppress(nt_rearmed(test)) {
		nt_do_unregister(op, 0);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	kunit_warning_suppress(nt_rearmed(test)) {
		nt_do_unregister(op, other->id);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	nt_expect_exits(test, op, NULL, 0);
	nt_expect_exits(test, other, NULL, 0);
	nt_expect_not_freed(test, other);
	KUNIT_EXPECT_NOT_NULL(test, net_generic(&init_net, other->id));
}

/* The second time the id is another op's already. */
static void unregister_twice(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *next = nt_prepare(1, NT_MODULE);
	struct nt_op *op = nt_prepare(0, param->kind);

	nt_need_warnings(test);
	nt_live_nets(test);
	nt_register(test, op);
	nt_unregister(test, op);
	nt_register(test, next);
	KUNIT_ASSERT_EQ(test, next->id, op->id);
	nt_forget();

	kunit_warning_suppress(nt_rearmed(test)) {
		nt_do_unregister(op, op->id);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	KUNIT_EXPECT_EQ(test, atomic_read(&nt->logged), 0);
	nt_expect_freed(test, op);
	nt_expect_not_freed(test, next);
	KUNIT_EXPECT_NOT_NULL(test, net_generic(&init_net, next->id));
}

/* An RCU callback that ->exit has queued still knows the id. If that were
 * another op's by then, it would find that op's data (3a765edadb28).
 */
static void nt_rcu_callback(struct rcu_head *rcu)
{
	struct nt_fixture *f = container_of(rcu, struct nt_fixture, rcu);

	if (f->op[0].last_id)
		f->slot = net_generic(&init_net, f->op[0].last_id);
	f->rcu_done = true;
}

static int nt_call_rcu_in_exit(struct nt_op *op, enum nt_event event,
			       struct net *net)
{
	if (event == NT_EXIT && net == &init_net)
		call_rcu(&nt->rcu, nt_rcu_callback);

	return 0;
}

static void unregister_waits_for_rcu_callbacks(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *next = nt_prepare(1, param->kind);
	struct nt_op *op = nt_prepare(0, param->kind);

	nt_register(test, op);
	op->hook = nt_call_rcu_in_exit;

	nt_unregister(test, op);

	KUNIT_EXPECT_TRUE(test, nt->rcu_done);
	KUNIT_EXPECT_NULL(test, nt->slot);
	nt_register(test, next);
	KUNIT_EXPECT_EQ(test, next->id, op->last_id);
}

static void register_init_fails_waits_for_rcu_callbacks(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);

	nt_need_net_ns(test);
	nt_live_nets(test);
	op->hook = nt_call_rcu_in_exit;
	op->fail_net = nt->net[1].net;

	KUNIT_EXPECT_EQ(test, nt_try_register(test, op), NT_ERR);

	KUNIT_EXPECT_EQ(test, nt_count(op, NT_EXIT, &init_net), 1);
	KUNIT_EXPECT_TRUE(test, nt->rcu_done);
	KUNIT_EXPECT_NULL(test, nt->slot);
}

/* Assignment */

static void assign_from_init(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	struct nt_data *data;
	unsigned int i;

	nt_live_nets(test);
	nt_register(test, op);
	if (IS_ENABLED(CONFIG_NET_NS))
		nt_new_net(test);

	for (i = 0; i < nt->nets; i++) {
		data = net_generic(nt->net[i].net, op->id);
		KUNIT_ASSERT_NOT_NULL(test, data);
		KUNIT_EXPECT_PTR_EQ(test, data->op, op);
		KUNIT_EXPECT_PTR_EQ(test, data->net, nt->net[i].net);
	}
	nt_expect_not_freed(test, op);
}

/* Only the net that needs it has the data, and only that is freed. */
static void assign_on_first_use(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);
	struct nt_net *user;
	unsigned int i;

	nt_live_nets(test);
	user = nt_last_net();
	nt_register(test, op);
	nt_expect_cleared(test, op->id);

	KUNIT_EXPECT_EQ(test, nt_assign(op, user->net), 0);

	for (i = 0; i < nt->nets; i++)
		KUNIT_EXPECT_PTR_EQ(test, net_generic(nt->net[i].net, op->id),
				    &nt->net[i] == user ? &op->data[0] : NULL);
	nt_unregister(test, op);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, NULL), 1);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, user->net), 1);
	nt_expect_exits(test, op, &init_net, 1);
	nt_expect_freed(test, op);
}

/* As a driver does from newlink, which holds RTNL: net_mutex is a leaf. */
static void assign_under_rtnl(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);
	int err;

	nt_register(test, op);

	rtnl_lock();
	err = nt_assign(op, &init_net);
	rtnl_unlock();

	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_PTR_EQ(test, net_generic(&init_net, op->id),
			    &op->data[0]);
	nt_unregister(test, op);
	nt_expect_freed(test, op);
}

/* A second pointer over the first is the leak of l2tp_eth (3a737028ecb2). */
static void assign_twice(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);

	nt_register(test, op);

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_EQ(test, nt_assign(op, &init_net), -EEXIST);
		KUNIT_EXPECT_EQ(test, net_assign_generic(&init_net, op->id,
							 &op->data[0]),
				-EEXIST);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}

	KUNIT_EXPECT_PTR_EQ(test, net_generic(&init_net, op->id),
			    &op->data[0]);
	nt_expect_not_freed(test, op);
	nt_unregister(test, op);
	nt_expect_freed(test, op);
}

static void assign_null(struct kunit *test)
{
	struct nt_op *empty = nt_prepare(0, NT_MODULE | NT_LAZY);
	struct nt_op *full = nt_prepare(1, NT_MODULE);
	unsigned int i;

	nt_need_warnings(test);
	nt_register(test, empty);
	nt_register(test, full);

	for (i = 0; i < 2; i++) {
		kunit_warning_suppress(nt_rearmed(test)) {
			KUNIT_EXPECT_EQ(test,
					net_assign_generic(&init_net,
							   nt->op[i].id, NULL),
					-EINVAL);
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
		}
	}

	KUNIT_EXPECT_NULL(test, net_generic(&init_net, empty->id));
	KUNIT_EXPECT_PTR_EQ(test, net_generic(&init_net, full->id),
			    &full->data[0]);
	KUNIT_EXPECT_EQ(test, nt_assign(empty, &init_net), 0);
}

/* dec827d174d7 had BUG_ON() for these, and compared a signed id with an
 * unsigned length. An error that was kept as an id is common.
 */
struct nt_bad_id_param {
	const char *name;
	unsigned int id;
};

static const struct nt_bad_id_param nt_bad_id_params[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "below the first", MIN_PERNET_OPS_ID - 1 },
	{ "INT_MAX", INT_MAX },
	{ "INT_MIN", (unsigned int)INT_MIN },
	{ "-EINVAL", (unsigned int)-EINVAL },
	{ "-ENOMEM", (unsigned int)-ENOMEM },
	{ "UINT_MAX", UINT_MAX },
};

KUNIT_ARRAY_PARAM_DESC(nt_bad_id, nt_bad_id_params, name);

static void assign_bad_id(struct kunit *test)
{
	const struct nt_bad_id_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, NT_MODULE | NT_LAZY);
	struct nt_slots *slots;

	nt_need_warnings(test);
	slots = nt_snapshot(test, &init_net);
	op->id = param->id;

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_EQ(test, nt_assign(op, &init_net), -EINVAL);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	nt_expect_unchanged(test, slots);
	nt_expect_freed(test, op);
}

/* Ids that other ops had, have or will have: the one that was given back, and
 * all the others of the array.
 */
static void assign_not_handed_out(struct kunit *test)
{
	struct nt_op *last = nt_prepare(0, NT_MODULE);
	struct nt_op *op = nt_prepare(1, NT_MODULE | NT_LAZY);
	struct nt_slots *slots;
	unsigned int old;
	struct net *net;

	nt_need_warnings(test);
	nt_need_net_ns(test);
	nt_live_nets(test);
	net = nt_last_net()->net;
	nt_fill_array(test);
	nt_register(test, last);
	old = last->id;
	nt_unregister(test, last);
	slots = nt_snapshot(test, net);

	for (op->id = old; op->id <= nt_len(net); op->id++) {
		atomic_set(&op->used, 0);
		kunit_warning_suppress(nt_rearmed(test)) {
			KUNIT_EXPECT_EQ(test, nt_assign(op, net), -EINVAL);
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
		}
	}

	nt_expect_unchanged(test, slots);
	nt_expect_freed(test, last);
	nt_expect_freed(test, op);
}

static void assign_after_unregister(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);

	nt_need_warnings(test);
	nt_register(test, op);
	nt_unregister(test, op);

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_EQ(test, nt_assign(op, &init_net), -EINVAL);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	KUNIT_EXPECT_NULL(test, net_generic(&init_net, op->id));
	nt_expect_freed(test, op);
}

/* What kzalloc() gave is kfree()d, not handed to .free. */
static void assign_core_owned(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, NT_CORE | (param->kind & NT_DEVICE));
	struct nt_slots *slots;

	nt_need_warnings(test);
	nt_register(test, op);
	slots = nt_snapshot(test, &init_net);

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_EQ(test, nt_assign(op, &init_net), -EINVAL);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	nt_expect_unchanged(test, slots);
}

/* The id is retired before the exit callbacks: what is assigned from now on
 * could come too late for .free. The net lives on, and other ids are open.
 */
static int nt_assign_while_unregistering(struct nt_op *op, enum nt_event event,
					 struct net *net)
{
	if (event == NT_INIT || net != &init_net)
		return 0;

	nt_rearmed(nt->test);
	nt->err[event] = nt_assign(op, net);
	if (event == NT_EXIT)
		nt->err[NT_INIT] = nt_assign(&nt->op[1], net);

	return 0;
}

static void assign_while_unregistering(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	struct nt_op *other = nt_prepare(1, param->kind | NT_LAZY);

	nt_need_warnings(test);
	nt_live_nets(test);
	nt_register(test, op);
	nt_register(test, other);
	op->hook = nt_assign_while_unregistering;

	kunit_warning_suppress(nt_rearmed(test)) {
		nt_unregister(test, op);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 5);
	}

	KUNIT_EXPECT_EQ(test, nt->err[NT_PRE_EXIT], -EINVAL);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT_RTNL], -EINVAL);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT], -EINVAL);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT_BATCH], -EINVAL);
	KUNIT_EXPECT_EQ(test, nt->err[NT_FREE], -EINVAL);
	nt_expect_freed(test, op);
	nt_expect_cleared(test, op->last_id);
	KUNIT_EXPECT_EQ(test, nt->err[NT_INIT], 0);
	KUNIT_EXPECT_PTR_EQ(test, net_generic(&init_net, other->id),
			    &other->data[0]);
	nt_expect_not_freed(test, other);
}

/* First use in a net that goes: by an op whose callbacks run before, or after,
 * those of the op whose data it is. The free phase may be over for that one.
 */
static int nt_assign_while_dying(struct nt_op *op, enum nt_event event,
				 struct net *net)
{
	if (net == nt->dying)
		nt->err[event] = nt_assign(&nt->op[0], net);

	return 0;
}

struct nt_dying_param {
	const char *name;
	unsigned int lazy;
	unsigned int other;
};

static const struct nt_dying_param nt_dying_params[] = {
	{ "from a later subsys", NT_MODULE, NT_MODULE },
	{ "from a device", NT_MODULE, NT_MODULE | NT_DEVICE },
	{ "from an earlier subsys", NT_MODULE | NT_DEVICE, NT_MODULE },
	{ "from a later device", NT_MODULE | NT_DEVICE, NT_MODULE | NT_DEVICE },
};

KUNIT_ARRAY_PARAM_DESC(nt_dying, nt_dying_params, name);

static void assign_while_net_dies(struct kunit *test)
{
	const struct nt_dying_param *param = test->param_value;
	struct nt_op *lazy = nt_prepare(0, param->lazy | NT_LAZY);
	struct nt_op *op = nt_prepare(1, param->other);

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, lazy);
	nt_register(test, op);
	nt->dying = nt_last_net()->net;
	op->hook = nt_assign_while_dying;

	nt_delete_last_net(test);

	KUNIT_EXPECT_EQ(test, nt->err[NT_PRE_EXIT], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT_RTNL], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT_BATCH], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_FREE], -ESHUTDOWN);
	nt_expect_not_freed(test, lazy);
	/* The other net is as open as before. */
	KUNIT_EXPECT_EQ(test, nt_assign(lazy, nt_last_net()->net), 0);
}

/* Holds cleanup_net() back, and with it the nets that are queued meanwhile. */
static int nt_block_in_exit(struct nt_op *op, enum nt_event event,
			    struct net *net)
{
	if (event == NT_EXIT && net == nt->dying) {
		complete(&nt->entered);
		wait_for_completion(&nt->go);
	}

	return 0;
}

/* The last reference is gone, but cleanup_net() has not come to the net yet, so
 * the free phase is still to come, too. Then it is too late.
 */
static void assign_before_cleanup_net(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);
	struct nt_op *gate = nt_prepare(1, NT_MODULE);
	struct nt_net *last, *user;
	int err;

	nt_need_net_ns(test);
	nt_live_nets(test);
	user = &nt->net[1];
	last = nt_last_net();
	nt_register(test, op);
	nt_register(test, gate);
	nt->dying = last->net;
	gate->hook = nt_block_in_exit;
	nt_hold_passive(test, user->net);
	nt_forget();

	nt_put_net(test, last);
	wait_for_completion(&nt->entered);
	nt_put_net(test, user);
	err = nt_assign(op, user->net);
	complete(&nt->go);
	nt_wait_gone(last);
	nt_wait_gone(user);
	nt->nets = 1;

	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, NULL), 1);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, user->net), 1);
	nt_expect_exits(test, op, user->net, 1);
	KUNIT_EXPECT_EQ(test, nt_assign(op, user->net), -ESHUTDOWN);
	KUNIT_EXPECT_NULL(test, net_generic(user->net, op->id));
	nt_unregister(test, op);
	nt_expect_freed(test, op);
}

/* It may sleep. What tells a caller in atomic context so is the same check that
 * tells one which is about to sleep already, and that one's splat KUnit can
 * catch.
 */
static void assign_might_sleep(struct kunit *test)
{
	struct nt_op *op = nt_prepare(0, NT_MODULE | NT_LAZY);
	int err;

	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		kunit_skip(test, "needs CONFIG_DEBUG_ATOMIC_SLEEP");
	nt_need_warnings(test);
	nt_register(test, op);

	kunit_warning_suppress(nt_rearmed(test)) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		err = nt_assign(op, &init_net);
		__set_current_state(TASK_RUNNING);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}

	KUNIT_EXPECT_EQ(test, err, 0);
}

/* Nobody would free it any more. The array is that of the net's last day, so
 * an id that came later is beyond its end.
 */
static void assign_to_dead_net(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);
	struct nt_op *late = nt_prepare(1, param->kind | NT_LAZY);
	struct net *dead;

	nt_need_net_ns(test);
	nt_live_nets(test);
	dead = nt_last_net()->net;
	nt_register(test, op);
	nt_hold_passive(test, dead);
	nt_delete_last_net(test);
	nt_fill_array(test);
	nt_register(test, late);
	KUNIT_ASSERT_GE(test, late->id, nt_len(dead));

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_EQ(test, nt_assign(op, dead), -ESHUTDOWN);
		KUNIT_EXPECT_EQ(test, nt_assign(late, dead), -ESHUTDOWN);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}

	KUNIT_EXPECT_NULL(test, net_generic(dead, op->id));
	nt_unregister(test, op);
	nt_unregister(test, late);
	nt_expect_freed(test, op);
	nt_expect_freed(test, late);
}

/* Two first users, each with its data in hand. One wins, the other gets the
 * -EEXIST and keeps its own.
 */
static int nt_race_to_assign(struct nt_thread *thread)
{
	unsigned int i;

	for (i = 0; i < nt->bulks; i++) {
		/* Start together, for each op anew */
		atomic_inc(&nt->racers);
		while (atomic_read(&nt->racers) < 2 * (i + 1)) {
			if (kthread_should_stop())
				return -EINTR;
			nt_breathe();
		}
		thread->errs[i] = nt_assign(nt->bulk[i], &init_net);
	}

	return 0;
}

static void assign_race(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_thread *thread[2];
	unsigned int i;

	for (i = 0; i < NT_RACES; i++)
		nt_register_bulk(test, param->kind);
	for (i = 0; i < 2; i++)
		thread[i] = nt_new_thread(test, nt_race_to_assign);

	for (i = 0; i < 2; i++)
		nt_start_thread(thread[i]);
	for (i = 0; i < 2; i++)
		nt_join_thread(test, thread[i]);

	for (i = 0; i < NT_RACES; i++) {
		struct nt_op *op = nt->bulk[i];
		struct nt_data *won = &op->data[op->data[0].taken ? 0 : 1];

		KUNIT_EXPECT_EQ(test, min(thread[0]->errs[i],
					  thread[1]->errs[i]), -EEXIST);
		KUNIT_EXPECT_EQ(test, max(thread[0]->errs[i],
					  thread[1]->errs[i]), 0);
		KUNIT_EXPECT_PTR_EQ(test, net_generic(&init_net, op->id), won);
		nt_unregister(test, op);
		nt_expect_freed(test, op);
	}
}

/* Creation of a net */

/* ->init of the k-th op fails: the ops before it are undone, those behind it
 * never know. This path freed the array twice (486a87f1e562).
 */
static void setup_net_init_fails(struct kunit *test)
{
	const struct nt_fail_param *param = test->param_value;
	struct nt_slots *slots[NT_NETS];
	struct nt_op *failing = NULL;
	unsigned int i;

	nt_need_net_ns(test);
	nt_live_nets(test);
	for (i = 0; i < 3; i++) {
		struct nt_op *op;

		op = nt_prepare(i == param->k ? 3 : i,
				i == param->k ? param->kind :
				NT_MODULE | (param->kind & NT_DEVICE));
		nt_register(test, op);
		if (i == param->k)
			failing = op;
		else
			op->hook = nt_read_failed;
	}
	for (i = 0; i < nt->nets; i++)
		slots[i] = nt_snapshot(test, nt->net[i].net);
	nt_forget();
	failing->fail_new = true;

	KUNIT_EXPECT_PTR_EQ(test, nt_copy_net(), ERR_PTR(NT_ERR));

	KUNIT_EXPECT_EQ(test, nt->reads, 2 * param->k);
	KUNIT_EXPECT_NULL(test, nt->slot);
	for (i = 0; i < 3; i++) {
		struct nt_op *op = i == param->k ? failing : &nt->op[i];

		KUNIT_EXPECT_EQ(test, nt_count(op, NT_INIT, NULL),
				i <= param->k);
		nt_expect_exits(test, op, NULL, i < param->k);
		if (op->kind & NT_GEN)
			KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, NULL),
					i <= param->k);
	}
	for (i = 0; i < nt->nets; i++)
		nt_expect_unchanged(test, slots[i]);

	/* The next one does. */
	failing->fail_new = false;
	nt_new_net(test);
	for (i = 0; i < 3; i++) {
		struct nt_op *op = i == param->k ? failing : &nt->op[i];

		nt_unregister(test, op);
		nt_expect_freed(test, op);
	}
}

static void setup_net_init_fails_waits_for_readers(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, op);
	op->hook = nt_time_failed_init;
	op->fail_new = true;

	KUNIT_EXPECT_PTR_EQ(test, nt_copy_net(), ERR_PTR(NT_ERR));

	KUNIT_EXPECT_EQ(test, nt->err[NT_INIT], 0);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, NULL), 1);
	KUNIT_EXPECT_TRUE(test, nt->gp_over);
	nt_expect_freed(test, op);
}

static int nt_call_rcu_in_exit_of_new(struct nt_op *op, enum nt_event event,
				      struct net *net)
{
	if (event == NT_EXIT && nt_is_new(net))
		call_rcu(&nt->rcu, nt_rcu_callback);

	return 0;
}

static void setup_net_init_fails_waits_for_rcu_callbacks(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	struct nt_op *failing = nt_prepare(1, NT_MODULE | NT_DEVICE);

	nt_need_net_ns(test);
	nt_register(test, op);
	nt_register(test, failing);
	op->hook = nt_call_rcu_in_exit_of_new;
	failing->fail_new = true;

	KUNIT_EXPECT_PTR_EQ(test, nt_copy_net(), ERR_PTR(NT_ERR));

	KUNIT_EXPECT_EQ(test, nt_count(op, NT_EXIT, NULL), 1);
	KUNIT_EXPECT_TRUE(test, nt->rcu_done);
}

/* An early op was the first user of a later one, whose ->init did not run any
 * more. While the setup is undone, nobody may become another first user.
 */
static int nt_assign_later_ops(struct nt_op *op, enum nt_event event,
			       struct net *net)
{
	if (!nt_is_new(net))
		return 0;

	if (event == NT_INIT)
		nt->err[NT_INIT] = nt_assign(&nt->op[2], net);
	else
		nt->err[event] = nt_assign(&nt->op[3], net);

	return 0;
}

static void setup_net_fails_with_lazy_data(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *early = nt_prepare(0, param->kind);
	struct nt_op *failing = nt_prepare(1, param->kind);
	struct nt_op *lazy = nt_prepare(2, param->kind | NT_LAZY);
	struct nt_op *lazier = nt_prepare(3, param->kind | NT_LAZY);
	unsigned int i;

	nt_need_net_ns(test);
	nt_live_nets(test);
	for (i = 0; i < NT_OPS; i++)
		nt_register(test, &nt->op[i]);
	nt_forget();
	early->hook = nt_assign_later_ops;
	failing->fail_new = true;

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_PTR_EQ(test, nt_copy_net(), ERR_PTR(NT_ERR));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}

	KUNIT_EXPECT_EQ(test, nt->err[NT_INIT], 0);
	nt_expect_exits(test, lazy, NULL, 0);
	KUNIT_EXPECT_EQ(test, nt_count(lazy, NT_FREE, NULL), 1);
	KUNIT_EXPECT_GT(test, nt_where(lazy, NT_FREE, NULL),
			nt_where(early, NT_EXIT_BATCH, NULL));
	nt_expect_freed(test, lazy);

	KUNIT_EXPECT_EQ(test, nt->err[NT_PRE_EXIT], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT_RTNL], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_EXIT_BATCH], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt->err[NT_FREE], -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, nt_count(lazier, NT_FREE, NULL), 0);
	nt_expect_freed(test, lazier);
}

/* An early ->init reads the highest id: the BUG_ON() of 073862ba5d24. Ids that
 * are older than the net read NULL in it.
 */
static int nt_read_highest(struct nt_op *op, enum nt_event event,
			   struct net *net)
{
	if (event != NT_INIT || !nt_is_new(net))
		return 0;

	nt->room = nt_len(net);
	if (nt->room > nt->op[1].id)
		nt->slot = net_generic(net, nt->op[1].id);

	return 0;
}

static void setup_net_has_room_for_early_reader(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *early = nt_prepare(0, NT_MODULE);
	struct nt_op *late = nt_prepare(1, param->kind);

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, early);
	nt_fill_array(test);
	nt_register(test, late);
	early->hook = nt_read_highest;

	kunit_warning_suppress(nt_rearmed(test)) {
		nt_new_net(test);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}

	KUNIT_EXPECT_GT(test, nt->room, late->id);
	KUNIT_EXPECT_NULL(test, nt->slot);
	KUNIT_EXPECT_NOT_NULL(test, net_generic(nt_last_net()->net, late->id));
}

/* The array of a new net is allocated before pernet_ops_rwsem is taken, and
 * while it waits for that, ids are handed out (a26ff37e624d, CVE-2024-36883).
 * Here the rwsem is held by a registration whose ->init first makes another
 * registration queue up, and behind that the creation of a net.
 */
static int nt_thread_register(struct nt_thread *thread)
{
	return nt_do_register(thread->op);
}

static int nt_thread_copy_net(struct nt_thread *thread)
{
	thread->net = nt_copy_net();
	thread->fail_nth = nt_fail_nth(current, 0);
	return PTR_ERR_OR_ZERO(thread->net);
}

static int nt_let_threads_queue(struct nt_op *op, enum nt_event event,
				struct net *net)
{
	unsigned int i;

	if (event != NT_INIT || net != &init_net)
		return 0;

	for (i = 0; i < ARRAY_SIZE(nt->thread) && nt->thread[i]; i++) {
		nt_start_thread(nt->thread[i]);
		nt_wait_blocked(nt->thread[i]);
		if (nt->thread[i]->fail_nth)
			nt_fail_nth(nt->thread[i]->task,
				    nt->thread[i]->fail_nth);
	}

	return 0;
}

struct nt_race_param {
	const char *name;
	int err;
};

static const struct nt_race_param nt_race_params[] = {
	{ "and succeeds", 0 },
	{ "and fails", NT_ERR },
	{ "and finds no memory", -ENOMEM },
};

KUNIT_ARRAY_PARAM_DESC(nt_race, nt_race_params, name);

static void setup_net_waits_while_ids_grow(struct kunit *test)
{
	const struct nt_race_param *param = test->param_value;
	struct nt_op *early = nt_prepare(0, NT_MODULE);
	struct nt_op *late = nt_prepare(1, NT_MODULE | NT_LAZY);
	struct nt_op *gate = nt_prepare(2, 0);
	struct nt_thread *grow, *create;
	int err;

	nt_need_net_ns(test);
	if (param->err == -ENOMEM)
		nt_need_failslab(test);
	nt_live_nets(test);
	nt_register(test, early);
	nt_fill_array(test);
	nt_forget();
	early->hook = nt_read_highest;
	early->fail_new = param->err == NT_ERR;
	gate->hook = nt_let_threads_queue;
	grow = nt_new_thread(test, nt_thread_register);
	grow->op = late;
	create = nt_new_thread(test, nt_thread_copy_net);
	/* The first that it asks for under the rwsem is the larger array. */
	create->fail_nth = param->err == -ENOMEM;
	nt->thread[0] = grow;
	nt->thread[1] = create;

	nt_register(test, gate);
	nt_join_thread(test, grow);
	nt_join_thread(test, create);
	err = grow->err ?: kunit_add_action_or_reset(test, nt_undo_register,
						     late);
	if (!create->err)
		nt_adopt_net(test, create->net);
	KUNIT_ASSERT_EQ(test, err, 0);

	KUNIT_EXPECT_EQ(test, create->err, param->err);
	if (param->err == -ENOMEM) {
		KUNIT_EXPECT_EQ(test, create->fail_nth, 0);
		KUNIT_EXPECT_EQ(test, nt_count(early, NT_INIT, NULL), 0);
	} else {
		KUNIT_EXPECT_GT(test, nt->room, late->id);
	}
	KUNIT_EXPECT_NULL(test, nt->slot);
	nt_unregister(test, early);
	nt_expect_freed(test, early);
}

/* The same bug where it can be seen only by chance: the size that was allocated
 * and the length were two readings of one variable.
 */
static int nt_thread_set_room(struct nt_thread *thread)
{
	while (!kthread_should_stop()) {
		thread->bad += !!net_generic_set_room(0);
		thread->bad += !!net_generic_set_room(NT_BULK);
		if (!thread->nr++)
			complete(&nt->entered);
	}

	return 0;
}

static void setup_net_while_room_changes(struct kunit *test)
{
	struct nt_thread *thread;
	unsigned int nets = 0, i;
	struct net *net;

	nt_need_net_ns(test);
	thread = nt_new_thread(test, nt_thread_set_room);
	nt_start_thread(thread);
	wait_for_completion(&nt->entered);

	/* Killed, as then a net goes no further than net_alloc() where it would
	 * have to wait for the thread: the next one comes the sooner. One that
	 * does may find no memory, as vmalloc() has none for who is killed.
	 */
	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	for (i = 0; i < NT_BULK && nets < NT_RACES; i++) {
		net = nt_copy_net();
		if (net == ERR_PTR(-EINTR))
			continue;
		nets++;
		if (IS_ERR(net))
			continue;
		KUNIT_EXPECT_LE(test, nt_len(net) * sizeof(void *),
				ksize(nt_array(net)));
		put_net(net);
	}
	flush_signals(current);
	disallow_signal(SIGKILL);

	nt_stop_thread(test, thread);
	KUNIT_EXPECT_EQ(test, thread->bad, 0);
}

/* Whoever loads the module may be killed meanwhile, by the oom killer too: the
 * registration waits for its turn and succeeds. Half a module init is worse.
 */
static int nt_thread_register_killed(struct nt_thread *thread)
{
	int err;

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	thread->bad += !fatal_signal_pending(current);

	err = nt_do_register(thread->op);
	if (err)
		return err;

	thread->bad += !!nt_assign(&nt->op[1], &init_net);
	thread->bad += !fatal_signal_pending(current);
	return 0;
}

static int nt_thread_unregister_killed(struct nt_thread *thread)
{
	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	nt_do_unregister(thread->op, thread->op->id);
	return 0;
}

static void register_when_killed(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	struct nt_op *lazy = nt_prepare(1, NT_MODULE | NT_LAZY);
	struct nt_op *gate = nt_prepare(2, 0);
	struct nt_thread *thread[2];
	unsigned int i;

	nt_live_nets(test);
	nt_register(test, lazy);
	gate->hook = nt_let_threads_queue;
	for (i = 0; i < 2; i++) {
		thread[i] = nt_new_thread(test, i ?
					  nt_thread_unregister_killed :
					  nt_thread_register_killed);
		thread[i]->op = op;
	}

	for (i = 0; i < 2; i++) {
		nt->thread[0] = thread[i];
		nt_register(test, gate);
		nt_join_thread(test, thread[i]);
		nt_unregister(test, gate);
	}

	KUNIT_EXPECT_EQ(test, thread[0]->err, 0);
	KUNIT_EXPECT_EQ(test, thread[0]->bad, 0);
	for (i = 0; i < nt->nets; i++) {
		KUNIT_EXPECT_EQ(test, nt_count(op, NT_INIT, nt->net[i].net), 1);
		nt_expect_exits(test, op, nt->net[i].net, 1);
	}
	nt_expect_freed(test, op);
	nt_expect_not_freed(test, lazy);
}

/* Registration, creation and destruction, all at once. What is registered stays
 * for a while, so that the arrays of all nets grow meanwhile.
 */
static int nt_thread_register_bulk(struct nt_thread *thread)
{
	unsigned int i;
	int err;

	for (i = nt->readable; i < nt->bulks; i++) {
		err = nt_do_register(nt->bulk[i]);
		if (err)
			return err;
		thread->nr++;
	}

	return 0;
}

static int nt_thread_churn_nets(struct nt_thread *thread)
{
	unsigned int i, op;
	struct net *net;

	for (i = 0; i < NT_RACES; i++) {
		net = nt_copy_net();
		if (IS_ERR(net))
			return PTR_ERR(net);

		/* The last one is lazy. */
		thread->bad += !!nt_assign(&nt->op[NT_OPS - 1], net);
		for (op = 0; op < NT_OPS; op++) {
			struct nt_data *data = net_generic(net, nt->op[op].id);

			thread->bad += !data || data->op != &nt->op[op] ||
				       data->net != net;
		}
		put_net(net);
		thread->nr++;
	}

	return 0;
}

static void setup_net_beside_all(struct kunit *test)
{
	static const unsigned int kind[NT_OPS] = {
		NT_MODULE | NT_HEAP, NT_CORE, NT_MODULE | NT_DEVICE | NT_HEAP,
		NT_MODULE | NT_HEAP | NT_LAZY,
	};
	struct nt_thread *grow, *churn[2];
	unsigned int i;
	int err;

	nt_need_net_ns(test);
	nt_live_nets(test);
	for (i = 0; i < NT_OPS; i++)
		nt_register(test, nt_prepare(i, kind[i]));
	nt_fill_array(test);
	nt_forget();
	nt->readable = nt->bulks;
	for (i = 0; i < NT_RACES; i++)
		nt_prepare_bulk(test, NT_CORE);
	grow = nt_new_thread(test, nt_thread_register_bulk);
	for (i = 0; i < 2; i++)
		churn[i] = nt_new_thread(test, nt_thread_churn_nets);

	nt_start_thread(grow);
	for (i = 0; i < 2; i++)
		nt_start_thread(churn[i]);
	nt_join_thread(test, grow);
	for (i = 0; i < 2; i++) {
		nt_join_thread(test, churn[i]);
		KUNIT_EXPECT_EQ(test, churn[i]->err, 0);
		KUNIT_EXPECT_EQ(test, churn[i]->nr, NT_RACES);
		KUNIT_EXPECT_EQ(test, churn[i]->bad, 0);
	}
	KUNIT_EXPECT_EQ(test, grow->err, 0);
	for (i = 0; i < grow->nr; i++) {
		err = kunit_add_action_or_reset(test, nt_undo_register,
						nt->bulk[nt->readable + i]);
		KUNIT_ASSERT_EQ(test, err, 0);
	}
	/* Behind one that goes after them, the others are gone as well. */
	nt_new_net(test);
	nt_delete_last_net(test);

	for (i = 0; i < NT_OPS; i++) {
		struct nt_op *op = &nt->op[i];

		KUNIT_EXPECT_EQ(test, nt_count(op, NT_INIT, NULL),
				2 * NT_RACES + 1);
		nt_expect_exits(test, op, NULL, 2 * NT_RACES + 1);
		nt_unregister(test, op);
		nt_expect_heap(test, op, 0);
	}
}

/* Destruction of a net */

/* Devices are undone before subsystems, each in reverse: icmp was on the wrong
 * side once and took the kernel down (959d2726). And .free comes when all are.
 */
static void cleanup_net_order(struct kunit *test)
{
	static const unsigned int kind[NT_OPS] = {
		NT_MODULE, NT_MODULE | NT_DEVICE,
		NT_MODULE, NT_MODULE | NT_DEVICE,
	};
	static const unsigned int order[NT_OPS] = { 3, 1, 2, 0 };
	static const enum nt_event phase[] = {
		NT_PRE_EXIT, NT_EXIT_RTNL, NT_EXIT, NT_FREE,
	};
	unsigned int i, p;
	int at, last = -1;

	nt_need_net_ns(test);
	for (i = 0; i < NT_OPS; i++)
		nt_register(test, nt_prepare(i, kind[i]));
	nt_live_nets(test);
	nt_forget();
	nt->dying = nt_last_net()->net;

	nt_delete_last_net(test);

	for (p = 0; p < ARRAY_SIZE(phase); p++) {
		for (i = 0; i < NT_OPS; i++) {
			at = nt_where(&nt->op[order[i]], phase[p], nt->dying);
			KUNIT_EXPECT_GT(test, at, last);
			last = at;
		}
	}
	for (i = 0; i < NT_OPS; i++) {
		nt_expect_exits(test, &nt->op[i], nt->dying, 1);
		KUNIT_EXPECT_EQ(test, nt_count(&nt->op[i], NT_FREE, NULL), 1);
	}
	nt_expect_free_is_last(test);
}

/* Both owners in one net, and the other nets are left alone. The array itself
 * goes with struct net: a reader may hold that (0f6ede9fbc74).
 */
static void cleanup_net_clears_slots(struct kunit *test)
{
	static const unsigned int kind[NT_OPS] = {
		NT_MODULE, NT_CORE, NT_MODULE | NT_DEVICE, NT_CORE | NT_DEVICE,
	};
	struct nt_slots *kept[2];
	struct net *dead;
	unsigned int i;
	u64 arrays;

	nt_need_net_ns(test);
	for (i = 0; i < NT_OPS; i++)
		nt_register(test, nt_prepare(i, kind[i]));
	nt_live_nets(test);
	dead = nt_last_net()->net;
	for (i = 0; i < 2; i++)
		kept[i] = nt_snapshot(test, nt->net[i].net);
	nt_hold_passive(test, dead);
	rcu_barrier();
	arrays = nt_arrays();
	nt_forget();

	nt_delete_last_net(test);
	nt_wait_passive(test, dead);

	KUNIT_ASSERT_EQ(test, nt_arrays(), arrays);
	nt_expect_free_is_last(test);
	for (i = 0; i < nt_len(dead) - MIN_PERNET_OPS_ID; i++)
		KUNIT_EXPECT_NULL(test,
				  net_generic(dead, MIN_PERNET_OPS_ID + i));
	for (i = 0; i < 2; i++)
		nt_expect_unchanged(test, kept[i]);
	for (i = 0; i < NT_OPS; i++) {
		if (kind[i] & NT_GEN)
			KUNIT_EXPECT_EQ(test,
					nt_count(&nt->op[i], NT_FREE, NULL), 1);
	}
}

/* A net without data has all the exit callbacks and no .free. */
static void cleanup_net_without_data(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_LAZY);
	struct net *dead;
	int at;

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, op);
	KUNIT_EXPECT_EQ(test, nt_assign(op, nt->net[1].net), 0);
	dead = nt_last_net()->net;

	nt_delete_last_net(test);

	nt_expect_exits(test, op, dead, 1);
	at = nt_where(op, NT_EXIT, dead);
	KUNIT_ASSERT_GE(test, at, 0);
	KUNIT_EXPECT_NULL(test, nt->log[at].slot);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, NULL), 0);
	nt_delete_last_net(test);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, NULL), 1);
	nt_expect_freed(test, op);
}

/* Two nets of one batch. That cleanup_net() takes both at once, a third one
 * sees to, whose ->exit lasts until they are queued.
 */
static void cleanup_net_batch(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	struct net *net[2];
	unsigned int i;
	int at[2];

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_new_net(test);
	nt_register(test, op);
	nt->dying = nt->net[3].net;
	op->hook = nt_block_in_exit;

	for (i = 0; i < 2; i++)
		net[i] = nt->net[i + 1].net;

	nt_put_net(test, &nt->net[3]);
	wait_for_completion(&nt->entered);
	nt_put_net(test, &nt->net[1]);
	nt_put_net(test, &nt->net[2]);
	complete(&nt->go);
	for (i = 3; i; i--)
		nt_wait_gone(&nt->net[i]);
	nt->nets = 1;

	for (i = 0; i < 2; i++) {
		nt_expect_exits(test, op, net[i], 1);
		if (param->kind & NT_GEN)
			KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, net[i]),
					1);
		at[i] = nt_where(op, NT_EXIT_BATCH, net[i]);
	}
	KUNIT_EXPECT_EQ(test, abs(at[0] - at[1]), 1);
	nt_unregister(test, op);
	nt_expect_freed(test, op);
}

/* Why modules could not own their data in 2009 (f875bae06533): devices of the
 * net are deleted in a batch after ->exit, and their ndo_uninit uses it.
 */
static void nt_dev_uninit(struct net_device *dev)
{
	nt_call(&nt->op[0], NT_UNINIT, dev_net(dev));
}

static netdev_tx_t nt_dev_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops nt_dev_ops = {
	.ndo_uninit = nt_dev_uninit,
	.ndo_start_xmit = nt_dev_xmit,
};

static void nt_dev_setup(struct net_device *dev)
{
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_NOARP;
	dev->mtu = ETH_DATA_LEN;
	dev->netdev_ops = &nt_dev_ops;
	dev->needs_free_netdev = true;
	dev->netns_immutable = true;	/* it dies where it is */
}

static struct net_device *nt_new_dev(struct kunit *test, struct net *net)
{
	struct net_device *dev;
	int err;

	dev = alloc_netdev(0, "nt%d", NET_NAME_UNKNOWN, nt_dev_setup);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev_net_set(dev, net);
	err = register_netdev(dev);
	if (err)
		free_netdev(dev);
	KUNIT_ASSERT_EQ(test, err, 0);

	return dev;
}

static void cleanup_net_frees_after_ndo_uninit(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, op);
	nt_new_dev(test, nt_last_net()->net);
	nt_forget();

	nt_delete_last_net(test);

	KUNIT_EXPECT_EQ(test, nt_count(op, NT_UNINIT, NULL), 1);
	if (param->kind & NT_DEVICE)
		KUNIT_EXPECT_GT(test, nt_where(op, NT_UNINIT, NULL),
				nt_where(op, NT_EXIT, NULL));
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, NULL),
			!!(param->kind & NT_GEN));
	nt_expect_free_is_last(test);
}

/* The end of the data, in a net that is destroyed or with its op */

struct nt_end_param {
	const char *name;
	unsigned int kind;
	bool net;			/* it is the net that goes */
	enum nt_event barrier;
};

static const struct nt_end_param nt_end_params[] = {
	{ "subsys unregistered", NT_MODULE, false },
	{ "device unregistered", NT_MODULE | NT_DEVICE, false },
	{ "subsys, net destroyed", NT_MODULE, true },
	{ "device, net destroyed", NT_MODULE | NT_DEVICE, true },
};

KUNIT_ARRAY_PARAM_DESC(nt_end, nt_end_params, name);

/* Data in all nets, and nt_let_end() for that of nt_fixture::dying. */
static struct nt_op *nt_register_to_end(struct kunit *test, unsigned int kind)
{
	struct nt_op *op;

	nt->end = test->param_value;
	if (nt->end->net)
		nt_need_net_ns(test);
	nt_live_nets(test);
	op = nt_prepare(0, nt->end->kind | kind);
	nt_register(test, op);
	nt->dying = nt_last_net()->net;
	return op;
}

static void nt_let_end(struct kunit *test, struct nt_op *op)
{
	if (nt->end->net)
		nt_delete_last_net(test);
	else
		nt_unregister(test, op);
}

/* Between ->pre_exit and the other exit callbacks a grace period passes, so
 * readers that took the pointer before may use it until they are done.
 */
static int nt_time_exit(struct nt_op *op, enum nt_event event, struct net *net)
{
	if (net != nt->dying)
		return 0;

	if (event == NT_PRE_EXIT)
		get_state_synchronize_rcu_full(&nt->gp);
	if (event == NT_EXIT_RTNL)
		nt->gp_over = poll_state_synchronize_rcu_full(&nt->gp);

	return 0;
}

static void exit_waits_for_readers(struct kunit *test)
{
	struct nt_op *op = nt_register_to_end(test, 0);

	op->hook = nt_time_exit;

	nt_let_end(test, op);

	KUNIT_EXPECT_EQ(test, nt_count(op, NT_EXIT_RTNL, nt->dying), 1);
	KUNIT_EXPECT_TRUE(test, nt->gp_over);
}

/* A reader that came later finds the pointer until the slot is cleared. .free
 * leaves the data to call_rcu(), so the reader has it until it is done, and
 * nobody comes back before that has freed it. In a net all exit callbacks are
 * over when the first .free is called, here that of an op that came later.
 */
static int nt_let_reader_in(struct nt_op *op, enum nt_event event,
			    struct net *net)
{
	const enum nt_event last = nt->end->net ? NT_FREE : NT_EXIT_BATCH;

	if (event == last && net == nt->dying) {
		complete(&nt->go);
		wait_for_completion(&nt->entered);
	}

	return 0;
}

static int nt_hold_data(struct nt_thread *thread)
{
	unsigned long end = jiffies + NT_TIMEOUT;
	struct nt_data *data;

	wait_for_completion(&nt->go);
	rcu_read_lock();
	data = net_generic(thread->net, thread->op->last_id);
	complete(&nt->entered);
	while (data && !READ_ONCE(data->freed) && time_before(jiffies, end))
		cpu_relax();
	/* Room for a mistake */
	end = jiffies + 3;
	while (data && time_before(jiffies, end))
		cpu_relax();
	if (data) {
		thread->nr = READ_ONCE(data->freed);
		thread->bad += READ_ONCE(data->op) != thread->op;
		thread->bad += READ_ONCE(data->net) != thread->net;
		thread->bad += !!net_generic(thread->net, thread->op->last_id);
		thread->bad += atomic_read(&thread->op->used) != nt->readable;
	}
	rcu_read_unlock();

	return 0;
}

static void free_leaves_data_to_readers(struct kunit *test)
{
	struct nt_op *op, *gate;
	struct nt_thread *reader;

	nt_need_concurrent_reader(test);
	op = nt_register_to_end(test, NT_HEAP);
	gate = nt_prepare(1, nt->end->kind);
	nt_register(test, gate);
	nt->readable = nt->nets;
	nt_hold_passive(test, nt->dying);
	(nt->end->net ? gate : op)->hook = nt_let_reader_in;
	reader = nt_new_thread(test, nt_hold_data);
	reader->op = op;
	reader->net = nt->dying;
	nt_start_thread(reader);

	nt_let_end(test, op);
	if (!nt->end->net)
		nt_expect_heap(test, op, 0);
	nt_join_thread(test, reader);

	KUNIT_EXPECT_EQ(test, reader->nr, 1);
	KUNIT_EXPECT_EQ(test, reader->bad, 0);
	if (nt->end->net)
		nt_unregister(test, op);
	nt_expect_heap(test, op, 0);
}

/* An RCU callback that ->exit has queued uses the data. The barrier of the core
 * comes after .free, so the module has its own: in ->exit_batch, or in .free.
 */
static const struct nt_end_param nt_barrier_params[] = {
	{ "exit_batch, op unregistered", NT_MODULE, false, NT_EXIT_BATCH },
	{ "free, op unregistered", NT_MODULE, false, NT_FREE },
	{ "exit_batch, net destroyed", NT_MODULE, true, NT_EXIT_BATCH },
	{ "free, net destroyed", NT_MODULE, true, NT_FREE },
};

KUNIT_ARRAY_PARAM_DESC(nt_barrier, nt_barrier_params, name);

static void nt_rcu_use_data(struct rcu_head *rcu)
{
	struct nt_fixture *f = container_of(rcu, struct nt_fixture, rcu);

	f->reads += READ_ONCE(f->slot->freed);
	f->rcu_done = true;
}

static int nt_call_rcu_and_wait(struct nt_op *op, enum nt_event event,
				struct net *net)
{
	if (net != nt->dying)
		return 0;

	if (event == NT_EXIT) {
		nt->slot = net_generic(net, op->id);
		call_rcu(&nt->rcu, nt_rcu_use_data);
	}
	if (event == nt->end->barrier)
		rcu_barrier();
	if (event == NT_FREE)
		nt->gp_over = nt->rcu_done;

	return 0;
}

static void free_after_rcu_callbacks(struct kunit *test)
{
	struct nt_op *op = nt_register_to_end(test, 0);

	op->hook = nt_call_rcu_and_wait;

	nt_let_end(test, op);

	KUNIT_EXPECT_EQ(test, nt_count(op, NT_FREE, nt->dying), 1);
	KUNIT_EXPECT_TRUE(test, nt->gp_over);
	KUNIT_EXPECT_EQ(test, nt->reads, 0);
}

/* The barrier of the core: what .free has left to call_rcu() is freed before
 * cleanup_net() gives the net back to its user's account. A reader sees to it
 * that this takes a while. The count of struct net's holders does not tell:
 * sockets drop theirs from RCU callbacks.
 */
static int nt_delay_rcu_callbacks(struct nt_thread *thread)
{
	unsigned long end;

	wait_for_completion(&nt->go);
	rcu_read_lock();
	complete(&nt->entered);
	for (end = jiffies + HZ / 50; time_before(jiffies, end); cpu_relax())
		thread->bad += atomic_long_read(nt->charged) != nt->charge;
	rcu_read_unlock();

	return 0;
}

static int nt_call_rcu_behind_reader(struct nt_op *op, enum nt_event event,
				     struct net *net)
{
	const enum nt_event last = op->kind & NT_GEN ? NT_FREE : NT_EXIT_BATCH;
	unsigned int other;

	if (event != last || net != nt->dying)
		return 0;

	/* The reader is not to keep cleanup_net() off its CPU, nor to wake it
	 * on its own.
	 */
	other = cpumask_next_wrap(raw_smp_processor_id(), cpu_online_mask);
	set_cpus_allowed_ptr(nt->thread[0]->task, cpumask_of(other));
	/* Nets that went before are off the account by now. */
	nt->charge = atomic_long_read(nt->charged);
	complete(&nt->go);
	while (!completion_done(&nt->entered))
		nt_breathe();
	call_rcu(&nt->rcu, nt_rcu_callback);

	return 0;
}

static void cleanup_net_waits_for_rcu_callbacks(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	unsigned long end = jiffies + NT_TIMEOUT;
	struct nt_thread *reader;

	nt_need_concurrent_reader(test);
	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, op);
	nt->dying = nt_last_net()->net;
	nt->charged = &nt->dying->ucounts->ucount[UCOUNT_NET_NAMESPACES];
	op->hook = nt_call_rcu_behind_reader;
	reader = nt_new_thread(test, nt_delay_rcu_callbacks);
	nt->thread[0] = reader;
	nt_start_thread(reader);

	nt_delete_last_net(test);
	while (atomic_long_read(nt->charged) == nt->charge &&
	       time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);

	KUNIT_EXPECT_LT(test, atomic_long_read(nt->charged), nt->charge);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(nt->rcu_done));
	nt_join_thread(test, reader);
	KUNIT_EXPECT_EQ(test, reader->bad, 0);
}

/* A device of the dying net that another task deletes, as it deletes the peer
 * of a veth: what follows RTNL there, cleanup_net() does not wait for. Here it
 * is in the priv_destructor of the one device while the net of the other goes,
 * whose priv_destructor then finds the slot cleared.
 */
static void nt_dev_destructor(struct net_device *dev)
{
	nt->reads++;
	if (dev_net(dev) == nt->dying) {
		nt->slot = net_generic(dev_net(dev), nt->op[0].id);
		return;
	}

	complete(&nt->entered);
	wait_for_completion(&nt->go);
}

static int nt_thread_delete_pair(struct nt_thread *thread)
{
	LIST_HEAD(list);

	rtnl_lock();
	unregister_netdevice_queue(thread->dev[0], &list);
	unregister_netdevice_queue(thread->dev[1], &list);
	unregister_netdevice_many(&list);
	rtnl_unlock();

	return 0;
}

static void cleanup_net_beside_netdev_run_todo(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	struct nt_thread *thread;
	unsigned int i;

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_register(test, op);
	nt->dying = nt_last_net()->net;
	nt->slot = &op->data[0];
	nt_hold_passive(test, nt->dying);
	thread = nt_new_thread(test, nt_thread_delete_pair);
	for (i = 0; i < 2; i++) {
		thread->dev[i] = nt_new_dev(test, nt->net[i + 1].net);
		thread->dev[i]->priv_destructor = nt_dev_destructor;
	}
	nt_forget();

	nt_start_thread(thread);
	wait_for_completion(&nt->entered);
	nt_delete_last_net(test);
	complete(&nt->go);
	nt_join_thread(test, thread);

	nt_expect_free_is_last(test);
	KUNIT_EXPECT_EQ(test, nt_count(op, NT_UNINIT, nt->dying), 1);
	KUNIT_EXPECT_EQ(test, nt->reads, 2);
	KUNIT_EXPECT_NULL(test, nt->slot);
}

/* Growth */

/* Bytes were copied where pointers were meant, and for 15 months the fourteenth
 * id broke all nets (144586301f6a). Every slot, in every net, of both owners,
 * over several sizes.
 */
static void grow_keeps_every_slot(struct kunit *test)
{
	const unsigned int times = IS_ENABLED(CONFIG_NET_NS) ? 3 : 1;
	struct nt_slots *before[NT_NETS];
	struct nt_slots *full[NT_NETS];
	void *array[NT_NETS];
	struct nt_op *op;
	unsigned int i, t;

	nt_live_nets(test);
	for (i = 0; i < nt->nets; i++)
		before[i] = nt_snapshot(test, nt->net[i].net);

	for (t = 0; t < times; t++) {
		nt_fill_array(test);
		for (i = 0; i < nt->nets; i++) {
			array[i] = nt_array(nt->net[i].net);
			full[i] = nt_snapshot(test, nt->net[i].net);
		}

		op = nt_add_bulk(test);

		KUNIT_EXPECT_EQ(test, full[nt->nets - 1]->len, op->id);
		for (i = 0; i < nt->nets; i++) {
			KUNIT_EXPECT_EQ(test,
					nt_array(nt->net[i].net) != array[i],
					full[i]->len <= op->id);
			if (op->id < full[i]->len)
				full[i]->ptr[op->id] =
					net_generic(nt->net[i].net, op->id);
			nt_expect_unchanged(test, full[i]);
		}
		KUNIT_EXPECT_EQ(test, nt_wrong_slots(nt->bulks), 0);
	}

	/* Without a leak, or a slot of one that is another's */
	while (nt->bulks) {
		op = nt->bulk[--nt->bulks];
		nt_unregister(test, op);
		nt_expect_freed(test, op);
	}
	for (i = 0; i < nt->nets; i++)
		nt_expect_unchanged(test, before[i]);
}

/* Rounded up to what the slab gives anyway, arrays are copied a logarithmic
 * number of times.
 */
static void grow_fills_slab_bucket(struct kunit *test)
{
	unsigned int grown, i;
	size_t size;

	nt_need_net_ns(test);
	nt_live_nets(test);

	for (grown = 0; grown < 3; grown++) {
		for (i = 0; i < nt->nets; i++) {
			size = nt_len(nt->net[i].net) * sizeof(void *);
			KUNIT_EXPECT_EQ(test, size, kmalloc_size_roundup(size));
		}
		nt_fill_array(test);
		nt_add_bulk(test);
	}
	/* A new net begins as large as the others are by now. */
	size = nt_len(nt_last_net()->net);
	nt_new_net(test);
	KUNIT_EXPECT_EQ(test, nt_len(nt_last_net()->net), size);
}

/* A reader that still holds the old arrays when the new ones are published. It
 * finds them whole, and as it may also have found the id too early, the id is
 * not known before it is gone.
 */
static int nt_hold_arrays(struct nt_thread *thread)
{
	unsigned long end = jiffies + NT_TIMEOUT;
	unsigned int i, id;

	rcu_read_lock();
	for (i = 1; i < nt->nets; i++)
		thread->ng[i] = rcu_dereference(nt->net[i].net->gen);
	complete(&nt->entered);

	for (i = 1; i < nt->nets; i++) {
		while (nt_array(nt->net[i].net) == thread->ng[i] &&
		       time_before(jiffies, end))
			cpu_relax();
	}
	if (time_before(jiffies, end))
		thread->nr++;
	/* Room for a mistake */
	end = jiffies + 3;
	while (time_before(jiffies, end))
		cpu_relax();

	thread->bad += !!READ_ONCE(thread->op->id);
	for (i = 1; i < nt->nets; i++) {
		struct nt_slots *slots = thread->slots[i];
		struct net_generic *ng = thread->ng[i];

		thread->bad += READ_ONCE(ng->s.len) != slots->len;
		thread->bad += !!READ_ONCE(ng->ptr[0]);
		for (id = MIN_PERNET_OPS_ID; id < slots->len; id++)
			thread->bad += READ_ONCE(ng->ptr[id]) != slots->ptr[id];
	}
	rcu_read_unlock();

	return 0;
}

static void grow_under_rcu_reader(struct kunit *test)
{
	struct nt_op *op = nt_prepare(0, NT_MODULE);
	struct nt_thread *reader;
	unsigned int i;

	nt_need_concurrent_reader(test);
	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_fill_array(test);
	reader = nt_new_thread(test, nt_hold_arrays);
	reader->op = op;
	/* The array of init_net may have room from before. */
	for (i = 1; i < nt->nets; i++)
		reader->slots[i] = nt_snapshot(test, nt->net[i].net);
	nt_start_thread(reader);
	wait_for_completion(&nt->entered);

	nt_register(test, op);
	nt_join_thread(test, reader);

	KUNIT_EXPECT_EQ(test, reader->nr, 1);
	KUNIT_EXPECT_EQ(test, reader->bad, 0);
	KUNIT_EXPECT_EQ(test, nt_wrong_slots(nt->bulks), 0);
}

/* Readers that go through net_generic() all the time. */
static int nt_read_slots(struct nt_thread *thread)
{
	while (!kthread_should_stop()) {
		/* Pairs with smp_store_release() in grow_beside_readers() */
		unsigned int bulks = smp_load_acquire(&nt->readable);

		thread->bad += nt_wrong_slots(bulks);
		if (!thread->nr++)
			complete(&nt->entered);
		nt_breathe();
	}

	return 0;
}

static void grow_beside_readers(struct kunit *test)
{
	struct nt_thread *reader[2];
	unsigned int grown, i;

	nt_need_net_ns(test);
	nt_live_nets(test);
	nt_fill_array(test);
	nt->readable = nt->bulks;
	for (i = 0; i < ARRAY_SIZE(reader); i++) {
		reader[i] = nt_new_thread(test, nt_read_slots);
		nt_start_thread(reader[i]);
		wait_for_completion(&nt->entered);
	}

	for (grown = 0; grown < 2;) {
		const struct net *net = nt_last_net()->net;
		void *array = nt_array(net);

		nt_add_bulk(test);
		/* Pairs with smp_load_acquire() in nt_read_slots() */
		smp_store_release(&nt->readable, nt->bulks);
		grown += nt_array(net) != array;
	}

	for (i = 0; i < ARRAY_SIZE(reader); i++) {
		nt_stop_thread(test, reader[i]);
		KUNIT_EXPECT_EQ(test, reader[i]->bad, 0);
	}
}

/* Until 2016 an array was published before its last slot was written. Here that
 * is as far from the first one as with thousands of ids.
 */
static int nt_read_last_slot(struct nt_thread *thread)
{
	unsigned int i;

	complete(&nt->entered);
	while (!kthread_should_stop()) {
		for (i = 0; i < 100; i++)
			thread->bad += !net_generic(thread->net, nt->room);
		nt_answer(thread);
		nt_breathe();
	}

	return 0;
}

static void nt_set_last_slot(struct net *net, void *ptr)
{
	struct net_generic *ng = rcu_dereference_protected(net->gen, true);

	WRITE_ONCE(ng->ptr[nt->room], ptr);
}

static void grow_publishes_whole_array(struct kunit *test)
{
	struct nt_thread *reader;
	struct net *net;

	nt_need_net_ns(test);
	while (nt->nets < NT_NETS) {
		KUNIT_ASSERT_EQ(test, net_generic_set_room(0), 0);
		net = nt_new_net(test)->net;
		KUNIT_ASSERT_EQ(test, net_generic_set_room(NT_LARGE / 2), 0);
		nt->room = nt_len(net) - 1;
		nt_set_last_slot(net, test);
		reader = nt_new_thread(test, nt_read_last_slot);
		reader->net = net;
		nt_start_thread(reader);
		wait_for_completion(&nt->entered);

		nt_meet(reader);
		KUNIT_EXPECT_EQ(test, net_generic_set_room(NT_LARGE), 0);

		nt_stop_thread(test, reader);
		KUNIT_EXPECT_EQ(test, reader->bad, 0);
		nt_set_last_slot(net, NULL);
	}
}

/* First users in a net that grows: net_mutex keeps them from storing in what is
 * copied already, which here is a lot. When that begins is not known: they take
 * their time, each more than the one before.
 */
static int nt_assign_slowly(struct nt_thread *thread)
{
	unsigned int i;

	complete(&nt->entered);
	while (!READ_ONCE(thread->go)) {
		if (kthread_should_stop())
			return -EINTR;
		nt_answer(thread);
		nt_breathe();
	}
	for (i = 0; i < nt->bulks; i++) {
		thread->bad += !!nt_assign(nt->bulk[i], thread->net);
		udelay(thread->nr);
	}

	return 0;
}

static void grow_beside_first_users(struct kunit *test)
{
	struct nt_thread *user;
	unsigned int race, i;

	nt_need_net_ns(test);
	for (i = 0; i < 4 * NT_RACES; i++)
		nt_register_bulk(test, NT_MODULE);

	for (race = 0; race < NT_RACES; race++) {
		KUNIT_ASSERT_EQ(test, net_generic_set_room(0), 0);
		user = nt_new_thread(test, nt_assign_slowly);
		user->net = nt_new_net(test)->net;
		user->nr = 2 * race;
		KUNIT_ASSERT_EQ(test, net_generic_set_room(NT_LARGE / 2), 0);
		nt_start_thread(user);
		wait_for_completion(&nt->entered);

		nt_meet(user);
		WRITE_ONCE(user->go, true);
		KUNIT_EXPECT_EQ(test, net_generic_set_room(NT_LARGE), 0);

		nt_join_thread(test, user);
		KUNIT_EXPECT_EQ(test, user->bad, 0);
		for (i = 0; i < nt->bulks; i++)
			KUNIT_EXPECT_NOT_NULL(test,
					      net_generic(user->net,
							  nt->bulk[i]->id));
		nt_delete_last_net(test);
	}
}

/* Each allocation in turn */

static unsigned int nt_count_nets(void)
{
	unsigned int nets = 0;
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net)
		nets++;
	rcu_read_unlock();

	return nets;
}

static void nt_snapshot_all(struct kunit *test, struct nt_slots **slots)
{
	unsigned int i;

	for (i = 0; i < nt->nets; i++)
		slots[i] = nt_snapshot(test, nt->net[i].net);
}

/* Since the snapshots nothing has changed but the size of arrays. */
static void nt_expect_nothing_left(struct kunit *test, struct nt_slots **slots,
				   unsigned int nets, u64 memory)
{
	unsigned int changed = 0;
	unsigned int i, id;

	KUNIT_EXPECT_EQ(test, nt_count_nets(), nets);
	for (i = 0; i < nt->nets; i++) {
		nt_expect_unchanged(test, slots[i]);
		for (id = slots[i]->len; id < nt_len(nt->net[i].net); id++)
			changed += !!net_generic(nt->net[i].net, id);
	}
	KUNIT_EXPECT_EQ(test, changed, 0);
	nt_expect_memory(test, memory);
}

static const struct nt_kind_param nt_heap_params[] = {
	{ "module subsys", NT_MODULE | NT_HEAP },
	{ "module device", NT_MODULE | NT_HEAP | NT_DEVICE },
	{ "core subsys", NT_CORE },
	{ "core device", NT_CORE | NT_DEVICE },
};

KUNIT_ARRAY_PARAM_DESC(nt_heap, nt_heap_params, name);

/* All arrays are full, so each net's has to grow, and each net's data to be
 * allocated.
 */
static void register_without_memory(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	unsigned int next, nets, i, n, fails = 0, spared = 0;
	struct nt_slots *slots[NT_NETS];
	u64 memory;
	int err;

	nt_need_failslab(test);
	nt_live_nets(test);
	nt_fill_array(test);
	next = nt_len(nt_last_net()->net);
	nets = nt_count_nets();
	rcu_barrier();
	memory = nt_memory();

	for (n = 1; ; n++) {
		nt_snapshot_all(test, slots);
		nt_forget();
		op->id = NT_ID_BEFORE;

		nt_fail_nth(current, n);
		err = nt_do_register(op);
		if (nt_fail_nth(current, 0))
			break;

		if (err) {
			fails++;
			spared = 0;
			KUNIT_EXPECT_EQ(test, err, -ENOMEM);
			KUNIT_EXPECT_EQ(test, op->id, 0);
			nt_expect_heap(test, op, 0);
			nt_expect_nothing_left(test, slots, nets, memory);
			KUNIT_ASSERT_EQ(test, nt_do_register(op), 0);
		} else if (++spared % NT_TRIES) {
			n--;
		}
		KUNIT_EXPECT_EQ(test, op->id, next);
		for (i = 0; i < nt->nets; i++)
			KUNIT_EXPECT_GT(test, nt_len(nt->net[i].net), op->id);

		/* With small arrays again */
		nt_do_unregister(op, op->id);
		KUNIT_ASSERT_EQ(test, net_generic_set_room(0), 0);
		while (nt->nets > 1)
			nt_delete_last_net(test);
		nt_live_nets(test);
	}

	KUNIT_ASSERT_EQ(test, err, 0);
	err = kunit_add_action_or_reset(test, nt_undo_register, op);
	KUNIT_ASSERT_EQ(test, err, 0);
	/* The array of init_net may be large from before. */
	KUNIT_EXPECT_GE(test, fails, 2 * nt->nets - 1);
	KUNIT_EXPECT_EQ(test, op->id, next);
	for (i = 0; i < nt->nets; i++) {
		struct nt_data *data = net_generic(nt->net[i].net, op->id);

		KUNIT_ASSERT_NOT_NULL(test, data);
		KUNIT_EXPECT_PTR_EQ(test, data->net, nt->net[i].net);
	}
	nt_expect_heap(test, op, nt->nets);
	nt_unregister(test, op);
	nt_expect_heap(test, op, 0);
	nt_expect_nothing_left(test, slots, nets, memory);
}

/* Whoever unloads a module cannot be told that there is no memory. The core
 * asks for none here: what can fail is what a debug kernel or an ->exit adds.
 */
static void unregister_without_memory(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind);
	unsigned int next = 0, left, nets, i, n;
	struct nt_slots *slots[NT_NETS];
	u64 memory;

	nt_need_failslab(test);
	nt_live_nets(test);
	nt_snapshot_all(test, slots);
	nets = nt_count_nets();
	rcu_barrier();
	memory = nt_memory();

	for (n = 1, left = 0; !left; n++) {
		KUNIT_ASSERT_EQ(test, nt_do_register(op), 0);
		next = next ?: op->id;
		KUNIT_EXPECT_EQ(test, op->id, next);
		nt_expect_heap(test, op, nt->nets);
		nt_forget();

		nt_fail_nth(current, n);
		nt_do_unregister(op, op->id);
		left = nt_fail_nth(current, 0);

		for (i = 0; i < nt->nets; i++)
			nt_expect_exits(test, op, nt->net[i].net, 1);
		nt_expect_heap(test, op, 0);
		nt_expect_nothing_left(test, slots, nets, memory);
	}

	kunit_info(test, "%u allocations failed\n", n - 2);
}

/* The last slot of the array: what can fail is the module's own allocation. */
static void assign_without_memory(struct kunit *test)
{
	const struct nt_kind_param *param = test->param_value;
	struct nt_op *op = nt_prepare(0, param->kind | NT_HEAP | NT_LAZY);
	unsigned int nets, n, fails = 0, spared = 0;
	struct nt_slots *slots[NT_NETS];
	struct nt_net *user;
	u64 memory;
	int err;

	nt_need_failslab(test);
	nt_live_nets(test);
	nt_register(test, op);
	while (op->id != nt_len(nt_last_net()->net) - 1) {
		nt_unregister(test, op);
		nt_add_bulk(test);
		nt_register(test, op);
		nt_forget();
	}
	user = nt_last_net();
	nt_snapshot_all(test, slots);
	nets = nt_count_nets();
	rcu_barrier();
	memory = nt_memory();

	for (n = 1; ; n++) {
		nt_fail_nth(current, n);
		err = nt_assign(op, user->net);
		if (nt_fail_nth(current, 0))
			break;
		if (!err) {
			/* It did without. */
			nt_unregister(test, op);
			nt_register(test, op);
			if (++spared % NT_TRIES)
				n--;
			continue;
		}

		fails++;
		spared = 0;
		KUNIT_EXPECT_EQ(test, err, -ENOMEM);
		nt_expect_heap(test, op, 0);
		nt_expect_nothing_left(test, slots, nets, memory);
	}

	KUNIT_EXPECT_EQ(test, fails, 1);
	KUNIT_EXPECT_EQ(test, err, 0);
	nt_expect_heap(test, op, 1);
	KUNIT_EXPECT_NOT_NULL(test, net_generic(user->net, op->id));
}

/* Everything that a net is made of, of the core, of ops of each kind and of all
 * others in this kernel.
 */
static void copy_net_without_memory(struct kunit *test)
{
	unsigned int nets, i, n, fails = 0, others = 0;
	struct nt_slots *slots[NT_NETS];
	atomic_long_t *charged;
	struct net *net;
	long count;
	u64 memory;

	nt_need_net_ns(test);
	nt_need_failslab(test);
	nt_live_nets(test);
	for (i = 0; i < NT_OPS; i++)
		nt_register(test, nt_prepare(i, nt_heap_params[i].kind));
	nt_snapshot_all(test, slots);
	nets = nt_count_nets();
	charged = &nt_last_net()->net->ucounts->ucount[UCOUNT_NET_NAMESPACES];
	count = atomic_long_read(charged);
	rcu_barrier();
	memory = nt_memory();

	for (n = 1; ; n++) {
		unsigned int undone = 0;

		nt_forget();
		nt_fail_nth(current, n);
		net = nt_copy_net();
		if (nt_fail_nth(current, 0))
			break;
		if (!IS_ERR(net)) {
			/* It did without. */
			nt_adopt_net(test, net);
			nt_delete_last_net(test);
			rcu_barrier();		/* nt_free_heap() */
			continue;
		}

		fails++;
		others += PTR_ERR(net) != -ENOMEM;
		for (i = 0; i < NT_OPS; i++) {
			unsigned int inits = nt_count(&nt->op[i], NT_INIT,
						      NULL);
			unsigned int exits = nt_count(&nt->op[i], NT_EXIT,
						      NULL);

			undone += inits - exits;
			nt_expect_exits(test, &nt->op[i], NULL, exits);
			nt_expect_heap(test, &nt->op[i], nt->nets);
		}
		/* But for the op whose ->init has failed */
		KUNIT_EXPECT_LE(test, undone, 1);
		nt_expect_nothing_left(test, slots, nets, memory);
		KUNIT_EXPECT_EQ(test, count, atomic_long_read(charged));
	}

	kunit_info(test, "%u allocations failed, %u not with -ENOMEM\n", fails,
		   others);
	KUNIT_ASSERT_FALSE(test, IS_ERR(net));
	nt_adopt_net(test, net);
	/* The array, struct net, and the data of each op */
	KUNIT_EXPECT_GE(test, fails, 2 + NT_OPS);
	for (i = 0; i < NT_OPS; i++) {
		struct nt_data *data = net_generic(net, nt->op[i].id);

		KUNIT_ASSERT_NOT_NULL(test, data);
		KUNIT_EXPECT_PTR_EQ(test, data->net, net);
	}
}

/* The reader */

/* An id that nobody has set yet gave the length of the array as a pointer. In
 * a debug kernel it warns as well.
 */
static void net_generic_unset_id(struct kunit *test)
{
	const int warnings = IS_ENABLED(CONFIG_DEBUG_NET) &&
			     IS_ENABLED(CONFIG_BUG);
	struct nt_op *op = nt_prepare(0, NT_MODULE | NT_LAZY);

	nt_live_nets(test);
	nt_register(test, op);

	kunit_warning_suppress(nt_rearmed(test)) {
		KUNIT_EXPECT_NULL(test, net_generic(&init_net, 0));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, warnings);
	}
	/* Handed out, and nothing assigned: that is no error. */
	kunit_warning_suppress(nt_rearmed(test)) {
		nt_expect_cleared(test, op->id);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

static void net_generic_out_of_range(struct kunit *test)
{
	unsigned int id[] = {
		1, MIN_PERNET_OPS_ID - 1, nt_len(&init_net), INT_MAX,
		(unsigned int)-EINVAL, UINT_MAX,
	};
	unsigned int i;

	if (!IS_ENABLED(CONFIG_DEBUG_NET))
		kunit_skip(test, "needs CONFIG_DEBUG_NET");
	nt_need_warnings(test);

	for (i = 0; i < ARRAY_SIZE(id); i++) {
		kunit_warning_suppress(nt_rearmed(test)) {
			KUNIT_EXPECT_NULL(test, net_generic(&init_net, id[i]));
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
		}
	}
}

static struct kunit_case nt_cases[] = {
	KUNIT_CASE(register_hands_out_ids),
	KUNIT_CASE_PARAM(register_reuses_id, nt_kind_gen_params),
	KUNIT_CASE_PARAM(register_bad_ops, nt_bad_ops_gen_params),
	KUNIT_CASE_PARAM(register_gen_twice, nt_module_gen_params),
	KUNIT_CASE(register_has_room_before_init),
	KUNIT_CASE_PARAM(register_init_fails, nt_fail_gen_params),
	KUNIT_CASE_PARAM(register_init_fails_before_assign,
			 nt_module_gen_params),
	KUNIT_CASE_PARAM(register_init_fails_frees_other_nets,
			 nt_module_gen_params),
	KUNIT_CASE_PARAM(register_init_fails_waits_for_readers,
			 nt_module_gen_params),
	KUNIT_CASE_PARAM(register_init_fails_waits_for_rcu_callbacks,
			 nt_any_gen_params),
	KUNIT_CASE_PARAM(register_init_fails_beside_reader,
			 nt_module_gen_params),
	KUNIT_CASE_PARAM(register_init_fails_assigns_from_free,
			 nt_module_gen_params),
	KUNIT_CASE_PARAM(register_when_killed, nt_any_gen_params),
	KUNIT_CASE_PARAM(unregister_exits_before_free, nt_kind_gen_params),
	KUNIT_CASE(unregister_leaves_neighbours),
	KUNIT_CASE_PARAM(unregister_wrong_id, nt_wrong_id_gen_params),
	KUNIT_CASE_PARAM(unregister_not_registered, nt_module_gen_params),
	KUNIT_CASE_PARAM(unregister_twice, nt_module_gen_params),
	KUNIT_CASE_PARAM(unregister_waits_for_rcu_callbacks,
			 nt_any_gen_params),
	KUNIT_CASE_PARAM(assign_from_init, nt_module_gen_params),
	KUNIT_CASE_PARAM(assign_on_first_use, nt_module_gen_params),
	KUNIT_CASE_PARAM(assign_under_rtnl, nt_module_gen_params),
	KUNIT_CASE_PARAM(assign_twice, nt_module_gen_params),
	KUNIT_CASE(assign_null),
	KUNIT_CASE_PARAM(assign_bad_id, nt_bad_id_gen_params),
	KUNIT_CASE(assign_not_handed_out),
	KUNIT_CASE_PARAM(assign_after_unregister, nt_module_gen_params),
	KUNIT_CASE_PARAM(assign_core_owned, nt_module_gen_params),
	KUNIT_CASE_PARAM(assign_while_unregistering, nt_module_gen_params),
	KUNIT_CASE_PARAM(assign_while_net_dies, nt_dying_gen_params),
	KUNIT_CASE_PARAM(assign_before_cleanup_net, nt_module_gen_params),
	KUNIT_CASE_PARAM(assign_to_dead_net, nt_module_gen_params),
	KUNIT_CASE(assign_might_sleep),
	KUNIT_CASE_PARAM(assign_race, nt_module_gen_params),
	KUNIT_CASE_PARAM(setup_net_init_fails, nt_fail_gen_params),
	KUNIT_CASE_PARAM(setup_net_init_fails_waits_for_readers,
			 nt_module_gen_params),
	KUNIT_CASE_PARAM(setup_net_init_fails_waits_for_rcu_callbacks,
			 nt_any_gen_params),
	KUNIT_CASE_PARAM(setup_net_fails_with_lazy_data, nt_module_gen_params),
	KUNIT_CASE_PARAM(setup_net_has_room_for_early_reader,
			 nt_kind_gen_params),
	KUNIT_CASE_PARAM(setup_net_waits_while_ids_grow, nt_race_gen_params),
	KUNIT_CASE(setup_net_while_room_changes),
	KUNIT_CASE(setup_net_beside_all),
	KUNIT_CASE(cleanup_net_order),
	KUNIT_CASE(cleanup_net_clears_slots),
	KUNIT_CASE_PARAM(cleanup_net_without_data, nt_module_gen_params),
	KUNIT_CASE_PARAM(cleanup_net_batch, nt_kind_gen_params),
	KUNIT_CASE_PARAM(cleanup_net_frees_after_ndo_uninit,
			 nt_kind_gen_params),
	KUNIT_CASE_PARAM(exit_waits_for_readers, nt_end_gen_params),
	KUNIT_CASE_PARAM(free_leaves_data_to_readers, nt_end_gen_params),
	KUNIT_CASE_PARAM(free_after_rcu_callbacks, nt_barrier_gen_params),
	KUNIT_CASE_PARAM(cleanup_net_waits_for_rcu_callbacks,
			 nt_any_gen_params),
	KUNIT_CASE_PARAM(cleanup_net_beside_netdev_run_todo,
			 nt_kind_gen_params),
	KUNIT_CASE(grow_keeps_every_slot),
	KUNIT_CASE(grow_fills_slab_bucket),
	KUNIT_CASE(grow_under_rcu_reader),
	KUNIT_CASE(grow_beside_readers),
	KUNIT_CASE(net_generic_unset_id),
	KUNIT_CASE(net_generic_out_of_range),
	KUNIT_CASE_PARAM_ATTR(register_without_memory, nt_heap_gen_params,
			      {.speed = KUNIT_SPEED_SLOW}),
	KUNIT_CASE_PARAM_ATTR(unregister_without_memory, nt_heap_gen_params,
			      {.speed = KUNIT_SPEED_SLOW}),
	KUNIT_CASE_PARAM_ATTR(assign_without_memory, nt_module_gen_params,
			      {.speed = KUNIT_SPEED_SLOW}),
	KUNIT_CASE_SLOW(copy_net_without_memory),
	/* Last: init_net keeps the large array, and snapshots are as large. */
	KUNIT_CASE(grow_publishes_whole_array),
	KUNIT_CASE(grow_beside_first_users),
	{}
};

static struct kunit_suite nt_suite = {
	.name = "net_namespace",
	.suite_init = nt_suite_init,
	.suite_exit = nt_suite_exit,
	.init = nt_test_init,
	.exit = nt_test_exit,
	.test_cases = nt_cases,
};

kunit_test_suite(nt_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for pernet operations and net_generic()");
MODULE_LICENSE("GPL");
