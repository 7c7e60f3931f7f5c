/* L3: another home for the segment: its pages go into another file or map, and stay where they are in the address space. See
 * abi/private.h.
 *
 * Threads go on recording meanwhile. All pages are copied beside, then one mmap puts the new home's over the old one's: an add
 * is one instruction, and goes to the one or the other. What came to the old ones between is then known, since nobody can write
 * to them any more, and is not lost: of counters it goes into a page that is no thread's; levels were hidden before, so that only
 * who was amid a store can have written. Writer: who moves, under the snapshot and the core lock. */
#define _GNU_SOURCE
#include "atomic.h"
#include "port.h"
#include "registry.h"
#include "segment_state.h"
#include "shard.h"

#include <weir/abi/private.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* By a raw call: weir's threads have descriptor tables of their own, and ThreadSanitizer takes two files of one number for one. */
static void *map_file(void *at, size_t bytes, int protection, int how, int fd, uint64_t offset)
{
	long memory = syscall(SYS_mmap, at, bytes, (long)protection, (long)(MAP_SHARED | MAP_NORESERVE | how), (long)fd, offset);

	return memory != -1 ? (void *)(uintptr_t)memory : MAP_FAILED;
}

static uint8_t *shared(size_t bytes, int protection, int fd, uint64_t offset)
{
	void *memory = map_file(NULL, bytes, protection, 0, fd, offset);

	return memory != MAP_FAILED ? memory : NULL;
}

/* The pages that are being left, once more. */
static uint8_t *left(size_t bytes)
{
	void *memory;

	if (weir__segment_still_ours())
		return shared(bytes, PROT_READ, weir__seg.fd, 0);
	memory = mremap(weir__seg.base, 0, bytes, MREMAP_MAYMOVE); /* 0: what is shared is mapped again; private memory is not */
	return memory != MAP_FAILED ? memory : NULL;
}

static void unmap(void *memory, size_t bytes)
{
	if (memory != NULL)
		munmap(memory, bytes);
}

static void settle_levels(const struct weir_private_home *home, uint32_t cell, uint64_t *page, const uint64_t *final,
                          const uint64_t *copied)
{
	for (uint32_t i = 0; i < WEIR__BLOCK_CELLS; i++) {
		uint64_t seen = copied[i];

		if (final[i] != seen && !weir__cas_acquire(&page[i], &seen, final[i]))
			home->both(weir__seg.base, cell + i, &page[i], final[i], copied[i]);
	}
}

static void settle_cells(uint32_t block, const uint64_t *final, const uint64_t *copied)
{
	for (uint32_t i = 0; i < WEIR__BLOCK_CELLS; i++) {
		uint64_t *carry;

		if (final[i] == copied[i])
			continue;
		carry = weir__shard_carry(block);
		if (carry != NULL)
			weir__store_release(&carry[i], carry[i] + (final[i] - copied[i]));
		else
			weir__lose(WEIR__LOST_MEMORY);
	}
}

static void settle(const struct weir_private_home *home, const uint8_t *final, const uint8_t *copied, size_t bytes)
{
	uint32_t blocks = weir__blocks_count(), shards = weir__shards_count();

	for (uint32_t block = 1; block < blocks; block++)
		for (uint32_t shard = 0; shard < shards; shard++) {
			bool levels = weir__block_is_levels(block);
			uint64_t *page = levels ? weir__level_peek(block) : (uint64_t *)(uintptr_t)weir__shard_peek(shard, block);
			size_t at = page != NULL ? (size_t)((uint8_t *)page - weir__seg.base) : bytes;

			if (at >= bytes)
				continue;
			if (!levels)
				settle_cells(block, (const uint64_t *)(const void *)(final + at), (const uint64_t *)(const void *)(copied + at));
			else if (shard == 0)
				settle_levels(home, block * WEIR__BLOCK_CELLS, page, (const uint64_t *)(const void *)(final + at),
				              (const uint64_t *)(const void *)(copied + at));
		}
}

/* The new home over the old one, at the same addresses. False: all is as it was. */
static bool put_over(const struct weir_private_home *home, uint32_t pages, uint32_t directory)
{
	size_t bytes = (size_t)pages * WEIR_SEGMENT_PAGE;
	size_t first = home->whole ? bytes : (size_t)weir__seg.opened * WEIR_SEGMENT_PAGE;

	if (map_file(weir__seg.base, first, PROT_READ | PROT_WRITE, MAP_FIXED, home->fd, 0) == MAP_FAILED)
		return false;
	if (!home->whole) {
		size_t at = (size_t)directory * WEIR_SEGMENT_PAGE;

		map_file(weir__seg.base + at, bytes - at, PROT_READ | PROT_WRITE, MAP_FIXED, home->fd, at);
		map_file(weir__seg.base + first, at - first, PROT_NONE, MAP_FIXED, home->fd, first);
	}
	madvise(weir__seg.base, bytes, MADV_NOHUGEPAGE);
	return true;
}

/* A child forked by another thread amid this covers [0, opened), and lets go of what is behind it, up to pages: all of it is ours at
 * every moment. */
static void take(const struct weir_private_home *home, uint32_t pages, uint32_t directory)
{
	size_t bytes = (size_t)pages * WEIR_SEGMENT_PAGE, former = (size_t)weir__seg.pages * WEIR_SEGMENT_PAGE;
	struct stat made;

	if (weir__segment_still_ours())
		close(weir__seg.fd);
	weir__seg.fd = fstat(home->fd, &made) == 0 ? home->fd : -1;
	weir__seg.inode = made.st_ino;
	weir__seg.device = made.st_dev;
	weir__seg.whole = home->whole;
	if (home->whole)
		weir__store_release(&weir__seg.opened, directory);
	weir__store_release(&weir__seg.pages, pages);
	if (former > bytes)
		munmap(weir__seg.base + bytes, former - bytes);
	weir__seg.directory = weir__segment_areas(pages, &weir__seg.blocks_count, &weir__seg.blocks);
	weir__segment_place_areas();
	if (home->start_time != 0)
		weir__segment_owner(home->start_time, home->boot_id);
	weir__store_release(&weir__seg.home, home->home);
}

/* to: pages that are in use; areas: those of the new home; copy: private. */
static int fill_and_switch(const struct weir_private_home *home, uint32_t pages, uint8_t *to, uint8_t *areas, uint8_t *copy,
                           const uint8_t *old)
{
	size_t bytes = (size_t)weir__seg.used * WEIR_SEGMENT_PAGE;
	const uint64_t *from = (const uint64_t *)(const void *)weir__seg.base;
	struct weir_segment_header *h = weir__segment_header();
	uint64_t generation = h->generation_end;
	uint32_t pause = 0;
	uint32_t blocks_count, blocks, directory = weir__segment_areas(pages, &blocks_count, &blocks);

	weir__shards_hide_levels(weir__blocks_count());
	weir__futex_wait(&pause, 0, weir__clock_ns() + 1000000); /* who was amid a level's record ends it meanwhile, but for who is preempted */
	h->generation_end = 0; /* who reads the old home finds that it counts no more */
	for (size_t i = 0; i < bytes / sizeof *from; i++)
		((uint64_t *)(void *)copy)[i] = weir__load_relaxed(&from[i]);
	memcpy(to, copy, bytes);
	memcpy(areas, weir__seg.base + (size_t)weir__seg.directory * WEIR_SEGMENT_PAGE,
	       (size_t)weir__seg.populated_directory * WEIR_SEGMENT_PAGE);
	memcpy(areas + (size_t)(blocks - directory) * WEIR_SEGMENT_PAGE, weir__seg.base + (size_t)weir__seg.blocks * WEIR_SEGMENT_PAGE,
	       (size_t)weir__seg.populated_blocks * WEIR_SEGMENT_PAGE);
	if (!put_over(home, pages, directory)) {
		h->generation_end = generation;
		return WEIR_ENOMEM;
	}
	if (!home->whole) /* a fault a page less for who records next */
		madvise(weir__seg.base, bytes, MADV_POPULATE_WRITE);
	take(home, pages, directory);
	if (old != NULL)
		settle(home, old, copy, bytes);
	weir__segment_begin();
	return WEIR_OK;
}

static bool reserve(const struct weir_private_home *home, uint32_t directory, uint32_t blocks)
{
	const off_t page = WEIR_SEGMENT_PAGE;

	return home->whole || (fallocate(home->fd, 0, 0, weir__seg.used * page) == 0 &&
	                       fallocate(home->fd, 0, directory * page, weir__seg.populated_directory * page) == 0 &&
	                       (weir__seg.populated_blocks == 0 ||
	                        fallocate(home->fd, 0, blocks * page, weir__seg.populated_blocks * page) == 0));
}

static int move(const struct weir_private_home *home)
{
	uint32_t pages = home->bytes / WEIR_SEGMENT_PAGE < weir__seg.pages ? (uint32_t)(home->bytes / WEIR_SEGMENT_PAGE) : weir__seg.pages;
	uint32_t blocks_count, blocks, directory = weir__segment_areas(pages, &blocks_count, &blocks);
	size_t bytes = (size_t)weir__seg.used * WEIR_SEGMENT_PAGE, areas_bytes = (size_t)(pages - directory) * WEIR_SEGMENT_PAGE;
	uint8_t *to, *areas, *copy, *old;
	int error = WEIR_ENOMEM;

	if (weir__seg.used > directory || weir__seg.populated_blocks > pages - blocks || (!home->whole && pages != weir__seg.pages))
		return WEIR_ELIMIT;
	if (!reserve(home, directory, blocks))
		return WEIR_ENOMEM;
	to = shared(bytes, PROT_READ | PROT_WRITE, home->fd, 0);
	areas = shared(areas_bytes, PROT_READ | PROT_WRITE, home->fd, (uint64_t)directory * WEIR_SEGMENT_PAGE);
	copy = weir__map(bytes, true, false);
	old = left(bytes);
	if (old == NULL && weir__shards_count() != 0)
		error = WEIR_EUNSUPPORTED;
	else if (to != NULL && areas != NULL && copy != NULL)
		error = fill_and_switch(home, pages, to, areas, copy, old);
	unmap(to, bytes);
	unmap(areas, areas_bytes);
	unmap(copy, bytes);
	unmap(old, bytes);
	return error;
}

/* No move, but what is known of it; and what is told of a memfd: of any other what it says already matters more. */
static int look(struct weir_private_home *home)
{
	home->bytes = (uint64_t)weir__seg.pages * WEIR_SEGMENT_PAGE;
	if (home->home != NULL && weir__seg.fd >= 0)
		weir__store_release(&weir__seg.home, home->home);
	return WEIR_OK;
}

int weir_private_segment_move(struct weir_private_home *home)
{
	struct weir__wiped *wiped = weir__wiped();
	struct weir__guard guard;
	int error = WEIR_ENOMEM;

	if (weir__generation() == 0)
		return error;
	weir__lock(&wiped->snapshot); /* no sum goes back in between */
	if (weir__enter(&guard)) {
		weir__segment_ready();
		if (weir__segment_is_open())
			error = home->fd < 0 ? look(home) : move(home);
		weir__leave(&guard);
	}
	weir__unlock(&wiped->snapshot);
	return error;
}
