/* weir, the command: what a user presses: a character, or one of these, which are none. */
#ifndef WEIR_CLI_KEYS_H
#define WEIR_CLI_KEYS_H

enum key {
	KEY_IS_NONE = 0,
	KEY_IS_TAB = '\t',
	KEY_IS_ENTER = '\n',
	KEY_IS_ESCAPE = 0x1b,
	KEY_IS_BACKSPACE = 0x7f,
	KEY_IS_UP = 0x110001,
	KEY_IS_DOWN,
	KEY_IS_PAGE_UP,
	KEY_IS_PAGE_DOWN,
	KEY_IS_HOME,
	KEY_IS_END,
	KEY_IS_RESIZE, /* the terminal has another size */
	KEY_IS_GONE,   /* there is nobody any more */
};

#endif
