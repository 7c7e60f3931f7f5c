/* weir-jwt: lock and fork. See life.h. Layer: jwt. */
#define _GNU_SOURCE
#include "life.h"

#include <weir/abi/private.h>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

struct page {
	/* generation + 1 of the process whose lock this is. 0 -> MENDING -> it by compare-and-swap and release; readers: acquire */
	uint32_t generation;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t readers[WEIR__JWT_VERIFIERS][WEIR__JWT_SLOTS] __attribute__((aligned(64)));
};
enum { PAGE = 4096 };
#define MENDING UINT32_MAX
_Static_assert(sizeof(struct page) <= PAGE, "one page");

static struct {
	struct page *page; /* once, by compare-and-swap: acq_rel; readers: acquire */
	void (*child)(void), (*after)(void); /* the same from whoever begins; relaxed: before page */
} life;

static void set_up(struct page *page)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&page->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&page->changed, &attr);
	pthread_condattr_destroy(&attr);
}

bool weir__jwt_life_begin(void (*child)(void), void (*after)(void))
{
	struct page *none = NULL, *page;

	if (__atomic_load_n(&life.page, __ATOMIC_ACQUIRE) != NULL)
		return true;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	madvise(page, PAGE, MADV_WIPEONFORK); /* refused: the generation is the parent's, which tells a child as well */
	set_up(page);
	page->generation = weir_private_generation() + 1;
	__atomic_store_n(&life.child, child, __ATOMIC_RELAXED);
	__atomic_store_n(&life.after, after, __ATOMIC_RELAXED);
	if (!__atomic_compare_exchange_n(&life.page, &none, page, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		munmap(page, PAGE);
	return true;
}

static void mend(struct page *page, uint32_t seen, uint32_t now)
{
	if (seen == MENDING || !__atomic_compare_exchange_n(&page->generation, &seen, MENDING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&page->generation, __ATOMIC_ACQUIRE) != now)
			sched_yield();
		return;
	}
	for (unsigned v = 0; v < WEIR__JWT_VERIFIERS; v++)
		for (unsigned s = 0; s < WEIR__JWT_SLOTS; s++)
			__atomic_store_n(&page->readers[v][s], 0, __ATOMIC_RELAXED);
	set_up(page);
	__atomic_load_n(&life.child, __ATOMIC_RELAXED)();
	__atomic_store_n(&page->generation, now, __ATOMIC_RELEASE);
	__atomic_load_n(&life.after, __ATOMIC_RELAXED)();
}

void weir__jwt_life_look(void)
{
	struct page *page = __atomic_load_n(&life.page, __ATOMIC_ACQUIRE);
	uint32_t now = weir_private_generation() + 1, seen;

	if (page == NULL)
		return;
	seen = __atomic_load_n(&page->generation, __ATOMIC_ACQUIRE);
	if (seen != now)
		mend(page, seen, now);
}

uint32_t *weir__jwt_life_readers(unsigned verifier)
{
	return __atomic_load_n(&life.page, __ATOMIC_ACQUIRE)->readers[verifier];
}

void weir__jwt_lock(void)
{
	weir__jwt_life_look();
	pthread_mutex_lock(&life.page->lock);
}

bool weir__jwt_try_lock(void)
{
	weir__jwt_life_look();
	return pthread_mutex_trylock(&life.page->lock) == 0;
}

void weir__jwt_unlock(void)
{
	pthread_mutex_unlock(&life.page->lock);
}

bool weir__jwt_wait(uint64_t until_ns)
{
	struct timespec until = {(time_t)(until_ns / WEIR_S(1)), (long)(until_ns % WEIR_S(1))};

	return pthread_cond_timedwait(&life.page->changed, &life.page->lock, &until) == 0;
}

void weir__jwt_wake(void)
{
	pthread_cond_broadcast(&life.page->changed);
}
