/* weir-shm: what it asks of bpf(2), by raw calls. No data of its own. */
#ifndef WEIR_SHM_BPF_H
#define WEIR_SHM_BPF_H

#include <stdbool.h>
#include <stdint.h>

/* Descriptors, or -1 with errno. */
int weir__bpf_create(uint32_t value_bytes, uint32_t entries, int btf, uint32_t value_type); /* a BPF_F_MMAPABLE array; btf -1: none */
int weir__bpf_get(const char *path);
int weir__bpf_pin(int fd, const char *path); /* 0, or -1 */

struct weir__bpf_array {
	uint32_t value_bytes, entries;
};
/* Why the descriptor is none of a map that can be used; NULL: it is one. */
const char *weir__bpf_fault(int fd, struct weir__bpf_array *array);

/* Type information that names the header's fields in a value of so many bytes: a descriptor, or -1; *type: the value's. */
int weir__btf_load(uint32_t value_bytes, uint32_t *type);

#endif
