/* L0: the system, by raw calls. See port.h. Writer of the one page pointer: whoever makes it first. */
#define _GNU_SOURCE
#include "port.h"

#include "atomic.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t weir__clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t weir__wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

int weir__tid(void)
{
	return (int)syscall(SYS_gettid);
}

int weir__pid(void)
{
	return (int)syscall(SYS_getpid);
}

bool weir__thread_is_gone(int tid)
{
	int saved = errno;
	bool gone = syscall(SYS_tgkill, weir__pid(), tid, 0) == -1 && errno == ESRCH;

	errno = saved;
	return gone;
}

static bool membarrier(int command)
{
	int saved = errno;
	bool done = syscall(SYS_membarrier, command, 0, 0) == 0;

	errno = saved;
	return done;
}

bool weir__barrier_ready(void)
{
	return membarrier(16 /* REGISTER_PRIVATE_EXPEDITED */);
}

bool weir__barrier(void)
{
	return membarrier(8 /* PRIVATE_EXPEDITED */);
}

uint64_t weir__signals_block(void)
{
	uint64_t all = UINT64_MAX, before = 0;
	int saved = errno;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof all);
	errno = saved;
	return before;
}

void weir__signals_restore(uint64_t mask)
{
	int saved = errno;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
	errno = saved;
}

bool weir__futex_wait(uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	/* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. */
	struct timespec until = {(time_t)(deadline_ns / UINT64_C(1000000000)), (long)(deadline_ns % UINT64_C(1000000000))};
	int saved = errno;
	long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
	                      deadline_ns == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
	bool in_time = result == 0 || errno != ETIMEDOUT;

	errno = saved;
	return in_time;
}

void weir__futex_wake(uint32_t *word, int waiters)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, waiters, NULL, NULL, 0);
	errno = saved;
}

bool weir__lock_until(struct weir__lock *lock, uint64_t deadline_ns)
{
	uint32_t seen = 0;

	if (weir__cas_acquire(&lock->word, &seen, 1u))
		return true;
	for (int spins = 0; spins < 64; spins++) { /* held for microseconds: the holder is likely on the other core */
		seen = 0;
		if (weir__load_relaxed(&lock->word) == 0 && weir__cas_acquire(&lock->word, &seen, 1u))
			return true;
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
	while (weir__swap_acquire(&lock->word, 2u) != 0)
		if (!weir__futex_wait(&lock->word, 2, deadline_ns))
			return false;
	return true;
}

void weir__lock(struct weir__lock *lock)
{
	weir__lock_until(lock, UINT64_MAX);
}

void weir__unlock(struct weir__lock *lock)
{
	if (weir__swap_release(&lock->word, 0u) == 2)
		weir__futex_wake(&lock->word, 1);
}

static int wipe_known; /* 0: unknown, 1: yes, 2: no. Writers: any thread, with the same value; readers: any */

bool weir__can_wipe(void)
{
	/* An emulator may answer 0 to any advice: then it does not wipe. -1 is no advice, and must be refused. */
	int can = weir__load_relaxed(&wipe_known);

	if (can == 0) {
		int saved = errno;
		void *page = mmap(NULL, WEIR__PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED) {
			errno = saved;
			return false;
		}
		can = madvise(page, WEIR__PAGE, -1) == -1 && madvise(page, WEIR__PAGE, MADV_WIPEONFORK) == 0 ? 1 : 2;
		munmap(page, WEIR__PAGE);
		errno = saved;
		weir__store_relaxed(&wipe_known, can);
	}
	return can == 1;
}

/* Where the system can wipe, memory that it does not wipe must not be used: a child would write to its parent's cells. */
static bool wiped_on_fork(void *memory, size_t bytes)
{
	return weir__can_wipe() ? madvise(memory, bytes, MADV_WIPEONFORK) == 0 : weir__load_relaxed(&wipe_known) == 2;
}

void *weir__map(size_t bytes, bool writable, bool wipe)
{
	int saved = errno;
	void *memory = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		memory = NULL;
	} else {
		madvise(memory, bytes, MADV_NOHUGEPAGE);
		if (wipe && !wiped_on_fork(memory, bytes)) {
			munmap(memory, bytes);
			memory = NULL;
		}
	}
	errno = saved;
	return memory;
}

void weir__unmap(void *memory, size_t bytes)
{
	int saved = errno;

	munmap(memory, bytes);
	errno = saved;
}

bool weir__make_writable(void *memory, size_t bytes)
{
	int saved = errno;
	bool done = mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0;

	errno = saved;
	return done;
}

struct weir__wiped *weir__wiped(void)
{
	/* Writer: the first thread here, by compare-and-swap (release); readers: any (acquire). Never changes after. */
	static struct weir__wiped *page;
	struct weir__wiped *seen = weir__load_acquire(&page), *made;

	if (__builtin_expect(seen != NULL, 1))
		return seen;
	made = weir__map(WEIR__PAGE, true, true);
	if (made == NULL)
		return NULL;
	if (weir__cas_acq_rel(&page, &seen, made))
		return made;
	weir__unmap(made, WEIR__PAGE);
	return seen;
}
