/* L0: atomics by name: the order is part of the word, never a parameter. Each field that is used with these says in its
 * declaration who writes it, who reads it, and which release an acquire pairs with. */
#ifndef WEIR_ATOMIC_H
#define WEIR_ATOMIC_H

#define weir__load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define weir__load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define weir__load_seq(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define weir__store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define weir__store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define weir__store_seq(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define weir__add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define weir__add_seq(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define weir__sub_seq(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define weir__swap_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define weir__swap_release(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define weir__swap_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
/* expected is updated on failure, which is relaxed. */
#define weir__cas_acquire(p, expected, v)                                                                              \
	__atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define weir__cas_acq_rel(p, expected, v)                                                                              \
	__atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define weir__cas_relaxed(p, expected, v)                                                                              \
	__atomic_compare_exchange_n((p), (expected), (v), 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)

#endif
