/* weir, the command: a screen's lines as cells, which a terminal or a file is then given. Pure: no terminal is known here.
 *
 * Invariant: whatever is put, in whatever bytes, no cell outside rows and cols is written, and no cell holds what moves a terminal:
 * a byte that is no UTF-8, or a control, is a mark. Where the terminal has no UTF-8 every cell is ASCII. A character of two columns
 * has a second cell, SCREEN_REST; one of none is left out. */
#ifndef WEIR_CLI_SCREEN_H
#define WEIR_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum screen_style {
	STYLE_PLAIN,
	STYLE_STRONG,
	STYLE_HEAD, /* of a table: the other way round */
	STYLE_BAD,
	STYLE_BAR,
};

enum { SCREEN_REST = 0x110000, SCREEN_LINE_MOST = 4096, SCREEN_SIDE_MOST = 1000 };

struct screen {
	int rows, cols;
	bool utf8;
	struct cell {
		uint32_t ch; /* never 0 */
		uint8_t style;
	} * cells;
};

/* Blank, of this size (cut to 1 .. SCREEN_SIDE_MOST). False: no memory; it is as it was. */
bool screen_set(struct screen *screen, int rows, int cols);
void screen_free(struct screen *screen);

/* How wide a character is: 0, 1 or 2 columns. */
int screen_wide(uint32_t ch);

/* In at most width columns, its end made a mark where it is longer; the columns that it took. */
int screen_text(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text, size_t len);
/* The same of a text that ends in a NUL. */
int screen_put(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text);
/* The same, but what is too long loses its middle: names that begin alike are told apart by how they end. */
void screen_name(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text, size_t len);
/* At the right end of width columns; what does not fit is cut. */
void screen_right(struct screen *screen, int row, int col, int width, enum screen_style style, const char *text);
void screen_char(struct screen *screen, int row, int col, enum screen_style style, uint32_t ch);
/* The rest of a row from col on, in this style. */
void screen_fill(struct screen *screen, int row, int col, enum screen_style style);

/* ch as UTF-8: its bytes, 4 at most. */
size_t screen_bytes(char out[4], uint32_t ch);
/* A row as text, without the blanks at its end; the bytes, without the NUL. */
size_t screen_line(const struct screen *screen, int row, char out[SCREEN_LINE_MOST]);

#endif
