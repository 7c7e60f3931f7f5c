/* L1: UTF-8, character by character. Pure: no data of its own, safe in a signal handler.
 * Sound is what RFC 3629 allows: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef WEIR_UTF8_H
#define WEIR_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define WEIR__REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The length of the sound character at s, which has left bytes (1 and more); 0 when there is none. */
size_t weir__utf8_character(const uint8_t *s, size_t left);
/* The most bytes of text, up to most, that end no character in its middle; len when that is not over most. In text that is no
 * UTF-8 at most three bytes are given up. */
size_t weir__utf8_cut(const char *text, size_t len, size_t most);

#endif
