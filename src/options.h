/* L1: options structs of other sizes: an older caller's is shorter, a newer one's has a tail. Pure. */
#ifndef WEIR_OPTIONS_H
#define WEIR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Copies options of given_size into taken, filled up with zeros; false where given_size is too small to hold itself, or its
 * tail beyond taken_size says something that this library does not know. given NULL: all zeros. */
bool weir__take_options(void *taken, size_t taken_size, const void *given, size_t given_size);

#endif
