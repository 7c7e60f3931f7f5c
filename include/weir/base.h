/* weir: what every other header speaks in: text, errors, options, lists.
 *
 * TEXT     What a programmer writes (names, help, keys) is a C string. What comes from the wire or from data is a struct
 *          weir_str. Both are copied before the call returns. NULL is the empty string.
 * NUMBERS  Integers in the base of their unit: nanoseconds, bytes, parts per million, 1. A timeout counts from the call.
 * ERRORS   Recording returns void, keeps errno, and counts what it drops (weir_status_read). Set-up returns WEIR_OK or a
 *          negative WEIR_E*, and the log callback gets the same in words.
 * OPTIONS  Structs with size first; all else zero is the default, and NULL is all defaults.
 *            C:    struct weir_options o = {.size = sizeof o, .service_name = "shop"};
 *            C++:  weir_options o{}; o.service_name = "shop";     (size fills itself in)
 *          A size of 0, and a non-zero tail that this library does not know, are refused.
 * PRIVATE  A name with a trailing _ is not for you. */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_VERSION 0x000100 /* of this header: 0xMMmmpp */
#define WEIR_VERSION_TEXT "0.1.0"

/* Where the two languages differ: a list in a call ({pointer, count}), a default, an assertion, a cast. */
#ifdef __cplusplus
#include <initializer_list>
template <class List, class T> inline List weir_list_(std::initializer_list<T> v)
{
	return List{v.begin(), v.size()};
}
#define WEIR_LIST_(list, type, ...) weir_list_<struct list, type>({__VA_ARGS__})
#define WEIR_SIZE_(type) size_t size = sizeof(struct type)
#define WEIR_ASSERT_(what, text) static_assert(what, text)
#define WEIR_CAST_(type, v) static_cast<type>(v)
#define WEIR_BEGIN_DECLS_ extern "C" {
#define WEIR_END_DECLS_ }
#else
#define WEIR_LIST_(list, type, ...)                                                                                    \
	((struct list){(type[]){__VA_ARGS__}, sizeof((type[]){__VA_ARGS__}) / sizeof(type)})
#define WEIR_SIZE_(type) size_t size
#define WEIR_ASSERT_(what, text) _Static_assert(what, text)
#define WEIR_CAST_(type, v) ((type)(v))
#define WEIR_BEGIN_DECLS_
#define WEIR_END_DECLS_
#endif

#if defined(WEIR_BUILDING_SHARED_) /* only while weir's own shared libraries are built */
#define WEIR_API __attribute__((visibility("default")))
#else
#define WEIR_API
#endif
#define WEIR_INLINE_ static inline __attribute__((always_inline, unused))

WEIR_BEGIN_DECLS_

/* The library's version as text, "0.1.0"; WEIR_VERSION is the header's.
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: the text is static. Errors: none. */
WEIR_API const char *weir_version(void);

/* Text with its length: any bytes, also NUL. ptr NULL is the empty text. */
struct weir_str {
	const char *ptr;
	size_t len;
};

WEIR_INLINE_ struct weir_str weir_str_n(const void *ptr, size_t len) /* any parser's bytes, unsigned ones too */
{
	struct weir_str s = {WEIR_CAST_(const char *, ptr), len};
	return s;
}

WEIR_INLINE_ struct weir_str weir_str_of(const char *text)
{
	return weir_str_n(text, text != NULL ? __builtin_strlen(text) : 0);
}

/* One list gives the enum, weir_error_name() and weir_error_text(). */
#define WEIR_ERRORS(X)                                                                                                 \
	X(WEIR_EINVAL, -1, "an argument is outside what the function takes")                                           \
	X(WEIR_ENOMEM, -2, "memory, or the buffer given, is too small")                                                \
	X(WEIR_ECONFLICT, -3, "the name is registered with another definition")                                        \
	X(WEIR_ELIMIT, -4, "a limit was met")                                                                          \
	X(WEIR_ETIMEOUT, -5, "the time ran out before the work was done")                                              \
	X(WEIR_EIO, -6, "the other side could not be reached, or refused")                                             \
	X(WEIR_EUNSUPPORTED, -7, "this system, build or library version cannot do that")                               \
	X(WEIR_ENOTFOUND, -8, "there is no such thing")
#define WEIR_ERROR_(name, value, text) name = value,
enum weir_error { WEIR_ERRORS(WEIR_ERROR_) WEIR_OK = 0 };

/* "WEIR_EINVAL", and a sentence; for a number that is no error of weir's, "WEIR_E?" and "unknown error".
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: the text is static. Errors: none. */
WEIR_API const char *weir_error_name(int error);
WEIR_API const char *weir_error_text(int error);

#define WEIR_MS(n) ((n)*UINT64_C(1000000))    /* milliseconds in ns */
#define WEIR_S(n) ((n)*UINT64_C(1000000000))  /* seconds in ns */
#define WEIR_KIB(n) ((n)*UINT64_C(1024))      /* in bytes */
#define WEIR_MIB(n) (WEIR_KIB(n) * 1024)      /* in bytes */

/* Takes bytes as they are made; 0, or negative to stop, which the function that writes then returns as WEIR_EIO. */
typedef int weir_write_fn(void *arg, const void *bytes, size_t len);

/* Attributes are made by functions, so that a wrong value is a wrong argument: weir_attr_int("db.rows", 12).
 * What they point to must live until the call that takes them returns. */
enum weir_attr_type {
	WEIR_ATTR_STR = 1,
	WEIR_ATTR_BOOL,
	WEIR_ATTR_INT,
	WEIR_ATTR_DOUBLE,
	WEIR_ATTR_BYTES,   /* str */
	WEIR_ATTR_STRS,    /* list of struct weir_str, and so on */
	WEIR_ATTR_BOOLS,
	WEIR_ATTR_INTS,
	WEIR_ATTR_DOUBLES,
};
struct weir_list {
	const void *ptr;
	size_t count;
};
struct weir_attr {
	struct weir_str key;
	enum weir_attr_type type;
	union {
		struct weir_str str;
		bool boolean;
		int64_t integer;
		double real;
		struct weir_list list;
	} as;
};
struct weir_attrs {
	const struct weir_attr *ptr;
	size_t count;
};
WEIR_ASSERT_(sizeof(struct weir_attr) == 40 || sizeof(void *) != 8, "frozen");

#define WEIR_ATTR_(name, c_type, tag, field, value)                                                                    \
	WEIR_INLINE_ struct weir_attr name(const char *key, c_type v)                                                  \
	{                                                                                                              \
		struct weir_attr a;                                                                                    \
		a.key = weir_str_of(key);                                                                              \
		a.type = tag;                                                                                          \
		a.as.list.count = 0;                                                                                   \
		a.as.field = value;                                                                                    \
		return a;                                                                                              \
	}
WEIR_ATTR_(weir_attr_str, const char *, WEIR_ATTR_STR, str, weir_str_of(v))
WEIR_ATTR_(weir_attr_str_n, struct weir_str, WEIR_ATTR_STR, str, v)
WEIR_ATTR_(weir_attr_bool, bool, WEIR_ATTR_BOOL, boolean, v)
WEIR_ATTR_(weir_attr_int, int64_t, WEIR_ATTR_INT, integer, v)
WEIR_ATTR_(weir_attr_double, double, WEIR_ATTR_DOUBLE, real, v)
WEIR_ATTR_(weir_attr_bytes, struct weir_str, WEIR_ATTR_BYTES, str, v)
WEIR_ATTR_(weir_attr_strs, struct weir_list, WEIR_ATTR_STRS, list, v) /* {array of struct weir_str, count} */
WEIR_ATTR_(weir_attr_bools, struct weir_list, WEIR_ATTR_BOOLS, list, v) /* of bool */
WEIR_ATTR_(weir_attr_ints, struct weir_list, WEIR_ATTR_INTS, list, v)   /* of int64_t */
WEIR_ATTR_(weir_attr_doubles, struct weir_list, WEIR_ATTR_DOUBLES, list, v)
#define WEIR_ATTRS_(...) WEIR_LIST_(weir_attrs, const struct weir_attr, __VA_ARGS__)

/* Who a span is: in bytes as they stand on the wire. flags: as W3C has them, 1 sampled, 2 random. */
struct weir_ids {
	uint8_t trace_id[16], span_id[8], flags, reserved_[7];
};
WEIR_ASSERT_(sizeof(struct weir_ids) == 32, "frozen");

WEIR_END_DECLS_
#endif
