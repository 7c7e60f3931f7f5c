/* Fuzz: what weir watch is given as a series, and what weir top types and draws: a selector of any bytes; then two looks at a segment that
 * has labels of these bytes, summed up and drawn on a screen of any size, after any keys. Nothing outside is touched, no cell holds a
 * control, and what a selector takes by name it finds. */
#define _GNU_SOURCE
#include "../src/cli/interval.h"
#include "../src/cli/look.h"
#include "../src/cli/selector.h"
#include "../src/cli/top_view.h"
#include "../src/cli/watch_view.h"
#include "../test/unit/made_looks.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 600 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_clean(const struct screen *screen)
{
	for (int n = 0; n < screen->rows * screen->cols; n++) {
		uint32_t ch = screen->cells[n].ch;

		must(ch >= ' ' && ch != 0x7f && (ch < 0x80 || (screen->utf8 && ch >= 0xa0)) && ch <= SCREEN_REST);
	}
}

static void select_by(const char *text, const struct look *before, const struct look *now)
{
	static struct selector selector;
	static struct chart chart;
	struct watch_value value;
	struct screen screen = {.utf8 = text[0] & 1};

	if (selector_parse(&selector, text) != NULL)
		return;
	must(selector.name.len != 0 && selector.count <= SELECTOR_LABELS);
	value = watch_value_of(&selector, before, now);
	must(value.kind != WATCH_NOTHING || value.series == 0);
	chart = (struct chart){.from_zero = value.kind != WATCH_LEVEL};
	chart_add(&chart, value.value);
	must(screen_set(&screen, 1 + text[0] % 8, 1 + (uint8_t)text[selector.name.len] % 90));
	watch_draw(&screen, &(struct watch_scene){.value = &value, .series = text, .name = "fuzz", .alive = true, .interval_s = 1}, &chart);
	must_be_clean(&screen);
	screen_free(&screen);
}

/* Values' bytes are the input's; as long as strings have room. */
static struct made segment(const char *text)
{
	static const uint64_t bounds[] = {1000, 1000000};
	char value[512], *values[] = {value, value, NULL};
	struct made m = made_new(0);

	snprintf(value, sizeof value, "%s", text);
	made_labelled(&m, 1, 5, 1, "http_request_duration_seconds", (const char *const[]){"route", "code", NULL}, bounds, 2, 990000, 1000);
	made_labelled(&m, 2, 1, 0, "a", (const char *const[]){"b", "tenant", NULL}, NULL, 0, 0, 0);
	made_valued(&m, 1, 512, 4, (const char *const *)values, 0);
	made_valued(&m, 2, 516, 1, (const char *const *)values, 0);
	made_cells_page(&m, WEIR_PAGE_CELLS, 1);
	return m;
}

static void draw(const struct look *before, const struct look *now, const char *text, size_t len)
{
	struct top_state state = top_state();
	struct screen screen = {.utf8 = len & 1};
	struct summary summary;

	for (size_t n = 0; n < len; n++)
		top_key(&state, n % 7 == 6 ? KEY_IS_UP + (uint8_t)text[n] % 8 : (uint8_t)text[n]);
	must(strlen(state.filter) < TOP_FILTER_MOST && state.view < VIEWS);
	must(summary_make(&summary, before, now, 10, state.since_start, true));
	must(summary.series.count == 2 || summary.series.count == 1);
	must(screen_set(&screen, len != 0 ? (uint8_t)text[0] % 40 : 24, len > 1 ? (uint8_t)text[1] % 130 : 80));
	must(top_draw(&screen, &(struct top_scene){.summary = &summary, .name = "fuzz", .pid = 1, .age_s = 10, .interval_s = 1, .alive = true}, &state));
	must_be_clean(&screen);
	screen_free(&screen);
	summary_free(&summary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[LARGEST + 1];
	struct look before, now;
	struct made m;
	int n = 7;

	if (size > LARGEST)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	must(!interval_parse(text, 1, 1000, &n) || (n >= 1 && n <= 1000));
	m = segment(text);
	made_look(&before, &m, 1);
	made_cells(&m, made_block(&m, 1)->first)[1] = size;
	made_look(&now, &m, 2);
	select_by(text, &before, &now);
	draw(&before, &now, text, size);
	look_free(&before);
	look_free(&now);
	free(m.base);
	return 0;
}
