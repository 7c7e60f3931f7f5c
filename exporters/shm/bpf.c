/* weir-shm: bpf(2). See bpf.h. No data of its own. */
#define _GNU_SOURCE
#include "bpf.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

int weir__bpf_create(uint32_t value_bytes, uint32_t entries, int btf, uint32_t value_type)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = value_bytes;
	attr.max_entries = entries;
	attr.map_flags = BPF_F_MMAPABLE;
	memcpy(attr.map_name, "weir", 5);
	if (btf >= 0) {
		attr.btf_fd = (uint32_t)btf;
		attr.btf_key_type_id = 1;
		attr.btf_value_type_id = value_type;
	}
	return bpf(BPF_MAP_CREATE, &attr);
}

int weir__bpf_get(const char *path)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.pathname = (uintptr_t)path;
	return bpf(BPF_OBJ_GET, &attr);
}

int weir__bpf_pin(int fd, const char *path)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.pathname = (uintptr_t)path;
	attr.bpf_fd = (uint32_t)fd;
	return bpf(BPF_OBJ_PIN, &attr);
}

const char *weir__bpf_fault(int fd, struct weir__bpf_array *array)
{
	struct bpf_map_info info;
	union bpf_attr attr;
	uint32_t key;

	memset(&attr, 0, sizeof attr);
	attr.map_fd = (uint32_t)fd;
	attr.next_key = (uintptr_t)&key;
	if (bpf(BPF_MAP_GET_NEXT_KEY, &attr) != 0) /* a program would answer the next question, too */
		return "it is no array";
	memset(&attr, 0, sizeof attr);
	memset(&info, 0, sizeof info);
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof info;
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) != 0)
		return "its size is not told";
	if (info.type != BPF_MAP_TYPE_ARRAY || info.key_size != 4)
		return "it is no array";
	if ((info.map_flags & BPF_F_MMAPABLE) == 0)
		return "it cannot be mapped: it lacks BPF_F_MMAPABLE";
	if (info.value_size % 4096 != 0)
		return "its values are no whole pages of 4096 bytes";
	if ((uint64_t)info.value_size * info.max_entries < 1 << 20)
		return "it is smaller than 1 MiB";
	array->value_bytes = info.value_size;
	array->entries = info.max_entries;
	return NULL;
}
