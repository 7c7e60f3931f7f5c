/* L5: instruments of weir's own: like anybody's, but registered at weir_init or later, and by no constructor. They are listed as
 * text, since a description that the compiler lays out takes 180 bytes of the library, and half of a page of relocated data in
 * each process. Writer: who declares, once, before anybody reports. */
#ifndef WEIR_OWN_H
#define WEIR_OWN_H

#include <weir/metric.h>

struct weir__own {
	struct weir_observed observed;
	struct weir_state state;
	const char *text[4];
};
/* kinds: kind and unit of each; texts: its name, its help and its label, or "", each with its NUL. done: set last, with release,
 * and looked at first, so that it is done once, and anew by a child that was forked in its midst. */
void weir__own_declare(struct weir__own *own, const uint8_t (*kinds)[2], const char *texts, size_t count, uint32_t *done);

/* A list is X(NUMBER, GAUGE or COUNTER, unit, name, help, label) for each, for these: */
#define WEIR__OWN_NUMBER(number, kind, unit, name, help, label) number,
#define WEIR__OWN_KIND(number, kind, unit, name, help, label) {WEIR_OBSERVED_##kind##_KIND, unit},
#define WEIR__OWN_TEXTS(number, kind, unit, name, help, label) name "\0" help "\0" label "\0"
#define WEIR__OWN(list, own, declare)                                                                                  \
	enum { list(WEIR__OWN_NUMBER) OWN_COUNT };                                                                     \
	static struct weir__own own[OWN_COUNT];                                                                        \
	static void declare(void)                                                                                      \
	{                                                                                                              \
		static const uint8_t kinds[][2] = {list(WEIR__OWN_KIND)};                                              \
		static const char texts[] = list(WEIR__OWN_TEXTS);                                                     \
		static uint32_t done;                                                                                  \
                                                                                                                       \
		weir__own_declare(own, kinds, texts, OWN_COUNT, &done);                                                \
	}

#endif
