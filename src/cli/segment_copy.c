/* weir, the command: copying a segment. See segment_copy.h. No data of its own.
 *
 * The order matters while the writer runs. Descriptors come first, then the index of blocks, then the directory anew, then texts and
 * cells: a record that was found has its texts and cells, and a page that the index names is in the directory. Turns are looked
 * at again at the end: what changed in between is no series now. */
#define _GNU_SOURCE
#include "segment_copy.h"

#include "segment_source.h"

#include <string.h>
#include <sys/mman.h>

enum { RUN_PAGES = 64 };

static bool fail(struct segment_copy *copy, const char *why)
{
	copy->why = why;
	return false;
}

static bool fault(struct segment_copy *copy, enum weir_segment_fault fault)
{
	return fault == WEIR_SEGMENT_FINE || fail(copy, weir_segment_fault_text(fault));
}

static bool read_at(struct segment_copy *copy, struct segment_source *source, void *to, size_t len, uint64_t offset)
{
	return segment_source_read(source, to, len, offset) || fail(copy, source->why);
}

/* Pages that stand one behind the other. Those that are all zero stay untouched in the copy too: a file of holes costs nothing. */
static bool copy_run(struct segment_copy *copy, struct segment_source *source, uint64_t page, uint64_t count)
{
	unsigned char buffer[RUN_PAGES * WEIR_SEGMENT_PAGE];

	for (uint64_t done = 0; done < count;) {
		uint64_t now = count - done < RUN_PAGES ? count - done : RUN_PAGES;

		if (!read_at(copy, source, buffer, now * WEIR_SEGMENT_PAGE, (page + done) * WEIR_SEGMENT_PAGE))
			return false;
		for (uint64_t i = 0; i < now; i++) {
			const unsigned char *from = buffer + i * WEIR_SEGMENT_PAGE;
			unsigned char *to = copy->base + (page + done + i) * WEIR_SEGMENT_PAGE;

			/* what was copied before may have become zero, if its writer is hostile: the copy stays as it was */
			if (from[0] != 0 || memcmp(from, from + 1, WEIR_SEGMENT_PAGE - 1) != 0)
				memcpy(to, from, WEIR_SEGMENT_PAGE);
		}
		done += now;
	}
	return true;
}

/* The pages on which an area's first entries lie. */
static bool copy_area(struct segment_copy *copy, struct segment_source *source, uint64_t offset, uint64_t entries, uint64_t entry_bytes)
{
	uint64_t first = offset / WEIR_SEGMENT_PAGE, end = offset + entries * entry_bytes;

	if (end > copy->bytes)
		return fault(copy, WEIR_SEGMENT_DAMAGED);
	return entries == 0 || copy_run(copy, source, first, (end + WEIR_SEGMENT_PAGE - 1) / WEIR_SEGMENT_PAGE - first);
}

static bool is_wanted(const struct segment_copy *copy, uint32_t page, bool descriptors)
{
	uint32_t type = weir_segment_page_type(&copy->reader, page);

	if (descriptors)
		return type == WEIR_PAGE_DESCRIPTORS;
	return type == WEIR_PAGE_STRINGS || type == WEIR_PAGE_CELLS || type == WEIR_PAGE_LEVELS;
}

static bool copy_pages(struct segment_copy *copy, struct segment_source *source, bool descriptors)
{
	for (uint32_t page = 1; page < copy->reader.pages_used; page++) {
		uint32_t first = page;

		while (page < copy->reader.pages_used && is_wanted(copy, page, descriptors))
			page++;
		if (page != first && !copy_run(copy, source, first, page - first))
			return false;
	}
	return true;
}

/* The header as it is now, and the directory. */
static bool copy_directory(struct segment_copy *copy, struct segment_source *source)
{
	return copy_run(copy, source, 0, 1) && fault(copy, weir_segment_open(&copy->reader, copy->base, copy->bytes)) &&
	       copy_area(copy, source, copy->reader.directory, copy->reader.pages_used, copy->reader.entry_bytes);
}

/* A series whose turn is another by now had its texts or cells changed, maybe. */
static bool settle_turns(struct segment_copy *copy, struct segment_source *source)
{
	struct weir_segment_cursor at = {0, 0};
	const struct weir_segment_record *record;

	while ((record = weir_segment_next(&copy->reader, &at)) != NULL) {
		const struct weir_segment_series *s = weir_segment_series_of(record);
		uint64_t offset;
		uint32_t now, *turn;

		if (s == NULL || s->type != WEIR_RECORD_CLAIM_SERIES)
			continue;
		offset = (uint64_t)((const unsigned char *)s - copy->base) + offsetof(struct weir_segment_claim_series, turn);
		turn = (uint32_t *)(void *)(copy->base + offset);
		if (!read_at(copy, source, &now, sizeof now, offset))
			return false;
		if (now != *turn)
			*turn = 0;
	}
	return true;
}

static bool copy_all(struct segment_copy *copy, struct segment_source *source, enum segment_depth depth)
{
	uint64_t generation = segment_copy_header(copy)->generation_begin;

	if (!copy_directory(copy, source) || !copy_pages(copy, source, true))
		return false;
	if (depth == SEGMENT_OUTLINE)
		return true;
	if (!copy_run(copy, source, 0, 1) || !fault(copy, weir_segment_open(&copy->reader, copy->base, copy->bytes)) ||
	    !copy_area(copy, source, copy->reader.blocks, copy->reader.blocks_count, copy->reader.block_bytes))
		return false;
	if (!copy_directory(copy, source) || !copy_pages(copy, source, false) || !settle_turns(copy, source))
		return false;
	return segment_copy_header(copy)->generation_begin == generation || fault(copy, WEIR_SEGMENT_UNFINISHED);
}

static bool make(struct segment_copy *copy, struct segment_source *source, enum segment_depth depth)
{
	union {
		struct weir_segment_header header;
		unsigned char bytes[sizeof(struct weir_segment_header)];
	} head;

	if (source->bytes < sizeof head)
		return fault(copy, WEIR_SEGMENT_FOREIGN);
	if (!read_at(copy, source, &head, sizeof head, 0) || !fault(copy, weir_segment_header_fault(&head.header, source->bytes)))
		return false;
	if (head.header.pages == 0)
		return fault(copy, WEIR_SEGMENT_DAMAGED);
	copy->has_cells = depth == SEGMENT_WHOLE;
	copy->bytes = depth == SEGMENT_HEADER ? WEIR_SEGMENT_PAGE : (size_t)head.header.total_bytes;
	copy->base = mmap(NULL, copy->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (copy->base == MAP_FAILED) {
		copy->base = NULL;
		return fail(copy, "there is no memory for it");
	}
	memcpy(copy->base, &head, sizeof head);
	return depth == SEGMENT_HEADER || copy_all(copy, source, depth);
}

bool segment_copy_make(struct segment_copy *copy, int fd, enum segment_depth depth)
{
	struct segment_source source;
	bool made;

	*copy = (struct segment_copy){.why = NULL};
	if (!segment_source_open(&source, fd))
		return fail(copy, source.why);
	copy->stored_bytes = source.stored_bytes;
	copy->home = source.home;
	copy->device = source.device;
	copy->inode = source.inode;
	made = make(copy, &source, depth);
	segment_source_close(&source);
	if (!made)
		segment_copy_free(copy);
	return made;
}

void segment_copy_free(struct segment_copy *copy)
{
	if (copy->base != NULL)
		munmap(copy->base, copy->bytes);
	copy->base = NULL;
}
