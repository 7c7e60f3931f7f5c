/* weir, the command: lines of cells. See screen.h. No data of its own. */
#include "screen.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { REPLACEMENT = 0xfffd, ELLIPSIS = 0x2026 };

_Static_assert(SCREEN_LINE_MOST > 4 * SCREEN_SIDE_MOST, "a row of characters of 4 bytes has room");

static void blank(struct screen *screen, size_t count)
{
	for (size_t i = 0; i < count; i++)
		screen->cells[i] = (struct cell){' ', STYLE_PLAIN};
}

bool screen_set(struct screen *screen, int rows, int cols)
{
	size_t count;

	rows = rows < 1 ? 1 : rows > SCREEN_SIDE_MOST ? SCREEN_SIDE_MOST : rows;
	cols = cols < 1 ? 1 : cols > SCREEN_SIDE_MOST ? SCREEN_SIDE_MOST : cols;
	count = (size_t)rows * (size_t)cols;
	if (screen->cells == NULL || rows != screen->rows || cols != screen->cols) {
		struct cell *cells = realloc(screen->cells, count * sizeof *cells);

		if (cells == NULL)
			return false;
		screen->cells = cells;
		screen->rows = rows;
		screen->cols = cols;
	}
	blank(screen, count);
	return true;
}

void screen_free(struct screen *screen)
{
	free(screen->cells);
	*screen = (struct screen){.cells = NULL};
}

struct range {
	uint32_t from, to;
};

static bool is_among(const struct range *ranges, size_t count, uint32_t ch)
{
	for (size_t i = 0; i < count; i++)
		if (ch >= ranges[i].from && ch <= ranges[i].to)
			return true;
	return false;
}

/* The blocks that matter: what stands between them is taken as one column wide. */
int screen_wide(uint32_t ch)
{
	static const struct range none[] = {{0x300, 0x36f}, {0x483, 0x489}, {0x591, 0x5bd}, {0x610, 0x61a}, {0x64b, 0x65f},
	                                    {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
	                                    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0000, 0xe0fff}};
	static const struct range two[] = {{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	                                   {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
	                                   {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};

	if (ch < 0x300)
		return 1;
	return is_among(none, sizeof none / sizeof *none, ch) ? 0 : is_among(two, sizeof two / sizeof *two, ch) ? 2 : 1;
}

/* The character at *text, as it may stand in a cell; goes on behind it. */
static uint32_t take(const struct screen *screen, const char **text, const char *end)
{
	const uint8_t *u = (const uint8_t *)*text;
	size_t len = text_character(*text, (size_t)(end - *text));
	uint32_t mark = screen->utf8 ? REPLACEMENT : '?', ch;

	*text += len == 0 ? 1 : len;
	if (len == 0)
		return mark;
	ch = len == 1 ? u[0] : u[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++)
		ch = ch << 6 | (u[i] & 0x3fu);
	if (ch < 0x20 || (ch >= 0x7f && ch < 0xa0))
		return mark;
	return ch >= 0x80 && !screen->utf8 && screen_wide(ch) != 0 ? '?' : ch;
}

void screen_char(struct screen *screen, int row, int col, enum screen_style style, uint32_t ch)
{
	if (row >= 0 && row < screen->rows && col >= 0 && col < screen->cols)
		screen->cells[row * screen->cols + col] = (struct cell){ch, (uint8_t)style};
}

int screen_text(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text, size_t len)
{
	const char *end = text + len;
	int used = 0;

	if (width > screen->cols - col)
		width = screen->cols - col;
	if (row < 0 || row >= screen->rows || col < 0 || width <= 0)
		return 0;
	while (text < end) {
		uint32_t ch = take(screen, &text, end);
		int wide = screen_wide(ch);

		if (wide == 0)
			continue;
		if (used + wide > width) { /* over what stands last; half of a wide one goes with its other half */
			int last = width - 1;

			for (int i = used; i < width; i++)
				screen_char(screen, row, col + i, style, ' ');
			if (last > 0 && screen->cells[row * screen->cols + col + last].ch == SCREEN_REST)
				screen_char(screen, row, col + last - 1, style, ' ');
			screen_char(screen, row, col + last, style, screen->utf8 ? ELLIPSIS : '~');
			return width;
		}
		screen_char(screen, row, col + used, style, ch);
		if (wide == 2)
			screen_char(screen, row, col + used + 1, style, SCREEN_REST);
		used += wide;
	}
	return used;
}

int screen_put(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text)
{
	return screen_text(screen, row, col, width, style, text, strlen(text));
}

/* Columns of a text. */
static int columns_of(const struct screen *screen, const char *text, const char *end)
{
	int columns = 0;

	while (text < end)
		columns += screen_wide(take(screen, &text, end));
	return columns;
}

void screen_name(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text, size_t len)
{
	const char *end = text + len, *tail = text;
	int all = columns_of(screen, text, end), head = width / 3, used;

	if (all <= width || width < 6) {
		screen_text(screen, row, col, width, style, text, len);
		return;
	}
	used = screen_text(screen, row, col, head + 1, style, text, len); /* its last column is the mark */
	while (tail < end && all > width - used)
		all -= screen_wide(take(screen, &tail, end));
	screen_text(screen, row, col + used, width - used, style, tail, (size_t)(end - tail));
}

void screen_right(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text)
{
	int len = (int)strlen(text); /* figures and heads: ASCII */

	screen_put(screen, row, len < width ? col + width - len : col, len < width ? len : width, style, text);
}

void screen_fill(struct screen *screen, int row, int col, enum screen_style style)
{
	for (; row >= 0 && row < screen->rows && col >= 0 && col < screen->cols; col++)
		screen->cells[row * screen->cols + col].style = (uint8_t)style;
}

size_t screen_bytes(char out[4], uint32_t ch)
{
	size_t len = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len; i-- > 1; ch >>= 6)
		out[i] = (char)(0x80 | (ch & 0x3f));
	out[0] = (char)(lead[len] | ch);
	return len;
}

size_t screen_line(const struct screen *screen, int row, char out[SCREEN_LINE_MOST])
{
	size_t used = 0, end = 0;

	for (int col = 0; row >= 0 && row < screen->rows && col < screen->cols; col++) {
		uint32_t ch = screen->cells[row * screen->cols + col].ch;

		if (ch == SCREEN_REST)
			continue;
		used += screen_bytes(out + used, ch);
		if (ch != ' ')
			end = used;
	}
	out[end] = '\0';
	return end;
}
