/* weir-jwt: JSON as it comes from outside, read by jansson within bounds that are looked at first.
 *
 * Layer: jwt. Invariant: what is returned is an object without a member twice, without NUL in any text, no deeper and with no more
 * members and elements than was asked, and whole: jansson drops letters of a text where memory ends, and that is no reading. It
 * descends by recursion, so that depth is the stack's bound too. */
#ifndef WEIR_JWT_JSON_H
#define WEIR_JWT_JSON_H

#include <weir/base.h>

#include <jansson.h>

enum weir__json_fate { WEIR__JSON_READ, WEIR__JSON_BAD, WEIR__JSON_NO_MEMORY };

/* The object goes back by weir__json_free. more: jansson's flags besides JSON_REJECT_DUPLICATES. */
enum weir__json_fate weir__json_read(json_t **object, const char *text, size_t len, size_t depth, size_t members, size_t more);
/* Wipes each text in it first, and then lets go; NULL is harmless. Only for who has the one reference. */
void weir__json_free(json_t *object);

#endif
