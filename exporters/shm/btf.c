/* weir-shm: type information for the map, so that bpftool prints the header's fields by name. See bpf.h. Layout:
 * weir/abi/segment.h; Documentation/bpf/btf.rst of Linux. No data of its own. */
#define _GNU_SOURCE
#include "bpf.h"

#include <weir/abi/segment.h>

#include <linux/bpf.h>
#include <linux/btf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { U32 = 1, U64, U16, U8, CHAR, MAGIC, BOOT_ID, AREA, AREAS, HEADER, VALUE };

struct blob {
	uint32_t types[256];
	char texts[1024];
	uint32_t words, bytes; /* used */
};

static uint32_t text(struct blob *b, const char *name)
{
	uint32_t at = b->bytes;

	strcpy(b->texts + at, name);
	b->bytes += (uint32_t)strlen(name) + 1;
	return at;
}

static void put(struct blob *b, uint32_t word)
{
	b->types[b->words++] = word;
}

static void type(struct blob *b, const char *name, uint32_t kind, uint32_t members, uint32_t bytes)
{
	put(b, name != NULL ? text(b, name) : 0);
	put(b, kind << 24 | members);
	put(b, bytes);
}

static void integer(struct blob *b, const char *name, uint32_t bytes, uint32_t encoding)
{
	type(b, name, BTF_KIND_INT, 0, bytes);
	put(b, encoding << 24 | bytes * 8);
}

static void array(struct blob *b, uint32_t of, uint32_t count)
{
	type(b, NULL, BTF_KIND_ARRAY, 0, 0);
	put(b, of);
	put(b, U32);
	put(b, count);
}

static void member(struct blob *b, const char *name, uint32_t of, size_t at)
{
	put(b, text(b, name));
	put(b, of);
	put(b, (uint32_t)at * 8);
}

#define AREA_FIELDS(X) X(type, U32) X(entry_bytes, U32) X(offset, U64) X(count, U64)
#define HEADER_FIELDS(X)                                                                                               \
	X(magic, MAGIC) X(major, U16) X(minor, U16) X(endian, U8) X(pointer_bytes, U8) X(header_bytes, U16) X(page_bytes, U32)   \
	X(pages, U32) X(total_bytes, U64) X(generation_begin, U64) X(generation_end, U64) X(pid, U32) X(accessible, U32)           \
	X(start_time, U64) X(boot_id, BOOT_ID) X(structure_epoch, U64) X(heartbeat_ns, U64) X(totals_time_ns, U64)                 \
	X(records_dropped, U64) X(records_overflowed, U64) X(pages_used, U32) X(areas_count, U32) X(areas, AREAS)
#define ONE(name, of) +1
#define PUT_AREA(name, of) member(b, #name, of, offsetof(struct weir_segment_area, name));
#define PUT_HEADER(name, of) member(b, #name, of, offsetof(struct weir_segment_header, name));

static void describe(struct blob *b, uint32_t value_bytes)
{
	b->bytes = 1; /* the empty name */
	integer(b, "u32", 4, 0);
	integer(b, "u64", 8, 0);
	integer(b, "u16", 2, 0);
	integer(b, "u8", 1, 0);
	integer(b, "char", 1, BTF_INT_CHAR);
	array(b, CHAR, 8);
	array(b, U8, 16);
	type(b, "weir_segment_area", BTF_KIND_STRUCT, 0 AREA_FIELDS(ONE), sizeof(struct weir_segment_area));
	AREA_FIELDS(PUT_AREA)
	array(b, AREA, 8);
	type(b, "weir_segment_header", BTF_KIND_STRUCT, 0 HEADER_FIELDS(ONE), sizeof(struct weir_segment_header));
	HEADER_FIELDS(PUT_HEADER)
	type(b, "weir_segment", BTF_KIND_STRUCT, 1, value_bytes); /* what follows the header is found by its table of contents */
	member(b, "header", HEADER, 0);
}

int weir__btf_load(uint32_t value_bytes, uint32_t *value_type)
{
	struct {
		struct btf_header head;
		uint8_t rest[sizeof(struct blob)];
	} all;
	struct blob b;
	union bpf_attr attr;

	memset(&b, 0, sizeof b);
	describe(&b, value_bytes);
	memset(&all, 0, sizeof all);
	all.head = (struct btf_header){.magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof all.head, .type_len = b.words * 4,
	                               .str_off = b.words * 4, .str_len = b.bytes};
	memcpy(all.rest, b.types, b.words * 4);
	memcpy(all.rest + b.words * 4, b.texts, b.bytes);
	memset(&attr, 0, sizeof attr);
	attr.btf = (uintptr_t)&all;
	attr.btf_size = (uint32_t)sizeof all.head + b.words * 4 + b.bytes;
	*value_type = VALUE;
	return (int)syscall(SYS_bpf, BPF_BTF_LOAD, &attr, sizeof attr);
}
