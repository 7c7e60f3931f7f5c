/* The calls that ask for memory, stood before libc's for libweir too, so that the k-th of them fails: malloc, calloc, realloc, mmap,
 * mremap, mprotect, madvise, ftruncate, fallocate, pthread_create and syscall(memfd_create or bpf). For one program a time: it defines them.
 *
 * Invariant: calls are counted, and fail, only while `failing` is set; else they are libc's. */
#ifndef OOM_CALLS_H
#define OOM_CALLS_H

#include "case.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static bool failing; /* between begin and end */
static uint64_t calls; /* so far, of this life */
static uint64_t fail_from = UINT64_MAX, fail_to = UINT64_MAX; /* these fail, counted from 1 */
enum call { MALLOC, CALLOC, REALLOC, MMAP, MREMAP, MPROTECT, POPULATE, FTRUNCATE, FALLOCATE, THREAD, MEMFD, BPF, KINDS };
static uint64_t calls_of[KINDS];
static bool tmpfs_full;     /* a page of a memfd cannot be had: ENOMEM by madvise, ENOSPC by fallocate */
static bool before_5_14;    /* MADV_POPULATE_WRITE is unknown */
static uint64_t full_calls; /* refused for it */

static bool fails(enum call kind)
{
	uint64_t n;

	if (!__atomic_load_n(&failing, __ATOMIC_ACQUIRE))
		return false;
	n = __atomic_add_fetch(&calls, 1, __ATOMIC_ACQ_REL);
	__atomic_add_fetch(&calls_of[kind], 1, __ATOMIC_RELAXED);
	return n >= fail_from && n <= fail_to;
}

#pragma GCC visibility push(default) /* so that libweir finds these first */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	if (fails(MALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (fails(CALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	if (fails(REALLOC)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(memory, size);
}

static struct {
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
	int (*mprotect)(void *, size_t, int);
	int (*madvise)(void *, size_t, int);
	int (*ftruncate)(int, off_t);
	int (*fallocate)(int, int, off_t, off_t);
	int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	long (*syscall)(long, ...);
} libc;

/* Before anybody's constructor: the loader calls the first of these before there are threads. */
__attribute__((constructor(101))) static void find_libc(void)
{
#define FIND(name) *(void **)(void *)&libc.name = dlsym(RTLD_NEXT, #name)
	if (libc.syscall != NULL)
		return;
	FIND(mmap);
	FIND(mremap);
	FIND(mprotect);
	FIND(madvise);
	FIND(ftruncate);
	FIND(fallocate);
	FIND(pthread_create);
	FIND(syscall);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (libc.mmap == NULL)
		find_libc();
	if (fails(MMAP)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return libc.mmap(at, bytes, protection, flags, fd, offset);
}

void *mremap(void *at, size_t bytes, size_t to_bytes, int flags, ...)
{
	va_list args;
	void *to;

	va_start(args, flags);
	to = (flags & MREMAP_FIXED) != 0 ? va_arg(args, void *) : NULL;
	va_end(args);
	if (libc.mremap == NULL)
		find_libc();
	if (fails(MREMAP)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return libc.mremap(at, bytes, to_bytes, flags, to);
}

int mprotect(void *at, size_t bytes, int protection)
{
	if (libc.mprotect == NULL)
		find_libc();
	if (fails(MPROTECT)) {
		errno = ENOMEM;
		return -1;
	}
	return libc.mprotect(at, bytes, protection);
}

int madvise(void *at, size_t bytes, int advice)
{
	if (libc.madvise == NULL)
		find_libc();
	if (advice == 23 && __atomic_load_n(&before_5_14, __ATOMIC_ACQUIRE)) {
		errno = EINVAL;
		return -1;
	}
	if (advice == 23 && __atomic_load_n(&tmpfs_full, __ATOMIC_ACQUIRE)) {
		__atomic_add_fetch(&full_calls, 1, __ATOMIC_RELAXED);
		errno = ENOMEM;
		return -1;
	}
	/* only the advice that asks for memory, or the kernel's for a forked child */
	if (advice == 23 /* MADV_POPULATE_WRITE */ && fails(POPULATE)) {
		errno = ENOMEM;
		return -1;
	}
	return libc.madvise(at, bytes, advice);
}

int ftruncate(int fd, off_t bytes)
{
	if (libc.ftruncate == NULL)
		find_libc();
	if (fails(FTRUNCATE)) {
		errno = ENOSPC;
		return -1;
	}
	return libc.ftruncate(fd, bytes);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	if (libc.fallocate == NULL)
		find_libc();
	if (__atomic_load_n(&tmpfs_full, __ATOMIC_ACQUIRE))
		__atomic_add_fetch(&full_calls, 1, __ATOMIC_RELAXED);
	if (fails(FALLOCATE) || __atomic_load_n(&tmpfs_full, __ATOMIC_ACQUIRE)) {
		errno = ENOSPC;
		return -1;
	}
	return libc.fallocate(fd, mode, offset, bytes);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	if (libc.pthread_create == NULL)
		find_libc();
	if (fails(THREAD))
		return EAGAIN;
	return libc.pthread_create(thread, attr, run, arg);
}

long syscall(long call, ...)
{
	long a[6];
	va_list args;

	va_start(args, call);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (libc.syscall == NULL)
		find_libc();
	if (call == SYS_memfd_create && fails(MEMFD)) {
		errno = EMFILE;
		return -1;
	}
	if (call == SYS_mmap && fails(MMAP)) {
		errno = ENOMEM;
		return -1;
	}
	if (call == SYS_ftruncate && fails(FTRUNCATE)) {
		errno = ENOSPC;
		return -1;
	}
	if (call == SYS_bpf && fails(BPF)) {
		errno = ENOMEM;
		return -1;
	}
	return libc.syscall(call, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#pragma GCC visibility pop

#endif
