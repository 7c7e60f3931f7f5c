/* weir top: keys. See top_state.h. No data of its own. */
#include "top_state.h"

#include "screen.h"

#include <string.h>

static const struct top_column requests[] = {
	{COLUMN_RATE, "rate", "RATE/s", 9, 0},      {COLUMN_ERRORS, "errors", "ERRORS", 9, 2}, {COLUMN_REFUSED, "refused", "REFUSED", 9, 6},
	{COLUMN_P50, "p50", "P50", 9, 4},           {COLUMN_P99, "p99", "P99", 9, 1},          {COLUMN_GOOD, "good", "IN SLO", 9, 5},
	{COLUMN_BUDGET, "budget", "BUDGET", 8, 3},
};
static const struct top_column series[] = {
	{COLUMN_VALUE, "value", "VALUE", 9, 0}, {COLUMN_RATE, "rate", "RATE/s", 9, 1}, {COLUMN_P99, "p99", "P99", 9, 2}};
static const struct top_column name = {COLUMN_NAME, "name", "", 0, 0};

const struct top_column *top_columns(enum top_view view, size_t *count)
{
	*count = view == VIEW_SERIES ? sizeof series / sizeof *series : sizeof requests / sizeof *requests;
	return view == VIEW_SERIES ? series : requests;
}

struct top_state top_state(void)
{
	return (struct top_state){.sort = {COLUMN_RATE, COLUMN_RATE, COLUMN_RATE}};
}

bool top_sort_by(struct top_state *state, const char *by)
{
	bool found = strcmp(by, name.name) == 0;

	for (int view = 0; view < VIEWS; view++) {
		size_t count;
		const struct top_column *columns = top_columns((enum top_view)view, &count);

		if (strcmp(by, name.name) == 0)
			state->sort[view] = COLUMN_NAME;
		for (size_t c = 0; c < count; c++)
			if (strcmp(by, columns[c].name) == 0) {
				state->sort[view] = columns[c].column;
				found = true;
			}
	}
	return found;
}

/* The next column on the right, step 1, or on the left, -1; round, with the name before the first. */
static void sort_next(struct top_state *state, int step)
{
	size_t count, at = 0;
	const struct top_column *columns = top_columns(state->view, &count);

	for (size_t c = 0; c < count; c++)
		if (columns[c].column == state->sort[state->view])
			at = c + 1;
	at = (at + count + 1 + (size_t)(step + 1) - 1) % (count + 1);
	state->sort[state->view] = at == 0 ? COLUMN_NAME : columns[at - 1].column;
	state->scroll = 0;
}

static void type(struct top_state *state, int key)
{
	size_t len = strlen(state->filter);
	char bytes[4];

	if (key == KEY_IS_ENTER || key == KEY_IS_ESCAPE) {
		if (key == KEY_IS_ESCAPE)
			memcpy(state->filter, state->typed, sizeof state->filter);
		state->typing = false;
	} else if (key == KEY_IS_BACKSPACE) {
		while (len > 0 && (state->filter[--len] & 0xc0) == 0x80)
			;
		state->filter[len] = '\0';
	} else if (key >= ' ' && key < SCREEN_REST && len + screen_bytes(bytes, (uint32_t)key) < TOP_FILTER_MOST) {
		memcpy(state->filter + len, bytes, screen_bytes(bytes, (uint32_t)key));
		state->filter[len + screen_bytes(bytes, (uint32_t)key)] = '\0';
	}
	state->scroll = 0;
}

static bool to_view(struct top_state *state, enum top_view view)
{
	state->view = view;
	state->scroll = 0;
	return true;
}

static void scroll(struct top_state *state, size_t back, size_t on)
{
	state->scroll = state->scroll > back ? state->scroll - back : 0;
	state->scroll = on > SIZE_MAX - state->scroll ? SIZE_MAX : state->scroll + on;
}

static bool command(struct top_state *state, int key)
{
	switch (key) {
	case 'q': state->quit = true; break;
	case '?':
	case 'h': state->help = true; break;
	case ' ':
	case 'p': state->paused = !state->paused; break;
	case 't': state->since_start = !state->since_start; return true;
	case '1': return to_view(state, VIEW_REQUESTS);
	case '2': return to_view(state, VIEW_TENANTS);
	case '3': return to_view(state, VIEW_SERIES);
	case KEY_IS_TAB: return to_view(state, (enum top_view)((state->view + 1) % VIEWS));
	case 's':
	case '>': sort_next(state, 1); break;
	case '<': sort_next(state, -1); break;
	case 'r': state->reverse = !state->reverse; break;
	case '/':
		memcpy(state->typed, state->filter, sizeof state->typed);
		state->typing = true;
		break;
	case KEY_IS_ESCAPE:
		state->filter[0] = '\0';
		state->scroll = 0;
		break;
	case 'k':
	case KEY_IS_UP: scroll(state, 1, 0); break;
	case 'j':
	case KEY_IS_DOWN: scroll(state, 0, 1); break;
	case KEY_IS_PAGE_UP: scroll(state, state->page, 0); break;
	case KEY_IS_PAGE_DOWN: scroll(state, 0, state->page); break;
	case KEY_IS_HOME: state->scroll = 0; break;
	case KEY_IS_END: state->scroll = SIZE_MAX; break;
	default: break;
	}
	return false;
}

bool top_key(struct top_state *state, int key)
{
	if (key == KEY_IS_GONE)
		state->quit = true;
	if (key == KEY_IS_NONE || key == KEY_IS_RESIZE || key == KEY_IS_GONE)
		return false;
	if (state->typing) {
		type(state, key);
		return false;
	}
	if (state->help) {
		state->help = false;
		state->quit = key == 'q';
		return false;
	}
	return command(state, key);
}
