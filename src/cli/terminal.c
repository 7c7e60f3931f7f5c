/* weir, the command: a terminal by curses. See terminal.h. Its data: which signals came (their handler writes), and curses'. */
#define _GNU_SOURCE
#define NCURSES_WIDECHAR 1
#include "terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ending, stopping, continued; /* written by the handler, read by terminal_wait, on the one thread */
static sigset_t ours, before;
static SCREEN *curses;
static bool colours;

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void on_signal(int sig)
{
	if (sig == SIGTSTP)
		stopping = 1;
	else if (sig == SIGCONT)
		continued = 1;
	else
		ending = sig;
}

static void handle(int sig)
{
	struct sigaction action = {.sa_handler = on_signal}, is;

	if (sigaction(sig, NULL, &is) == 0 && is.sa_handler == SIG_IGN && sig != SIGCONT)
		return; /* as nohup has it */
	sigemptyset(&action.sa_mask);
	sigaction(sig, &action, NULL);
}

static void take_signals(void)
{
	sigemptyset(&ours);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaddset(&ours, ends[i]);
	sigaddset(&ours, SIGTSTP);
	sigaddset(&ours, SIGCONT);
	sigaddset(&ours, SIGWINCH); /* curses' handler */
	sigprocmask(SIG_BLOCK, &ours, &before);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		handle(ends[i]);
	handle(SIGTSTP);
	handle(SIGCONT);
}

bool terminal_is_there(bool *utf8)
{
	const char *name = getenv("TERM"), *address;
	int error;
	bool has;

	setlocale(LC_CTYPE, "");
	*utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || name == NULL || setupterm(name, STDOUT_FILENO, &error) != OK)
		return false;
	address = tigetstr("cup");
	has = address != NULL && address != (const char *)-1;
	del_curterm(cur_term);
	return has;
}

bool terminal_open(void)
{
	const char *no_colour = getenv("NO_COLOR");

	take_signals();
	curses = newterm(NULL, stdout, stdin);
	if (curses == NULL)
		return false;
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	colours = (no_colour == NULL || *no_colour == '\0') && has_colors() && start_color() == OK && use_default_colors() == OK &&
	          init_pair(1, COLOR_RED, -1) == OK;
	return true;
}

void terminal_close(void)
{
	if (curses == NULL)
		return;
	endwin();
	delscreen(curses);
	curses = NULL;
}

void terminal_size(int *rows, int *cols)
{
	getmaxyx(stdscr, *rows, *cols);
}

static attr_t attributes_of(uint8_t style)
{
	switch (style) {
	case STYLE_STRONG: return A_BOLD;
	case STYLE_HEAD: return A_REVERSE;
	case STYLE_BAD: return A_BOLD;
	default: return A_NORMAL;
	}
}

void terminal_show(const struct screen *screen)
{
	erase();
	for (int row = 0; row < screen->rows; row++)
		for (int col = 0; col < screen->cols; col++) {
			const struct cell *cell = &screen->cells[row * screen->cols + col];
			wchar_t text[2] = {(wchar_t)cell->ch, 0};
			cchar_t c;

			if (cell->ch == SCREEN_REST || (cell->ch == ' ' && cell->style == STYLE_PLAIN))
				continue;
			if (setcchar(&c, text, attributes_of(cell->style), colours && cell->style == STYLE_BAD ? 1 : 0, NULL) == OK)
				mvadd_wch(row, col, &c); /* the last corner is drawn, though it says that it could not move on */
		}
	refresh();
}

/* As a shell expects it: the terminal is the shell's while we are stopped. */
static void stop(void)
{
	struct sigaction as_it_was = {.sa_handler = SIG_DFL}, mine;
	sigset_t only;

	stopping = 0;
	endwin();
	sigemptyset(&as_it_was.sa_mask);
	sigaction(SIGTSTP, &as_it_was, &mine);
	sigemptyset(&only);
	sigaddset(&only, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &only, NULL); /* here it stops */
	sigprocmask(SIG_BLOCK, &only, NULL);
	sigaction(SIGTSTP, &mine, NULL);
	continued = 1;
}

/* Others had it meanwhile, and it may have another size. */
static void take_again(void)
{
	struct winsize size;

	continued = 0;
	reset_prog_mode();
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0)
		resizeterm(size.ws_row, size.ws_col);
	clearok(curscr, TRUE);
	refresh();
	curs_set(0);
}

static int key_of(int got, wint_t ch)
{
	if (got == OK)
		return ch == '\r' ? KEY_IS_ENTER : ch == '\b' ? KEY_IS_BACKSPACE : (int)ch;
	switch (ch) {
	case KEY_UP: return KEY_IS_UP;
	case KEY_DOWN: return KEY_IS_DOWN;
	case KEY_PPAGE: return KEY_IS_PAGE_UP;
	case KEY_NPAGE: return KEY_IS_PAGE_DOWN;
	case KEY_HOME: return KEY_IS_HOME;
	case KEY_END: return KEY_IS_END;
	case KEY_ENTER: return KEY_IS_ENTER;
	case KEY_BACKSPACE: return KEY_IS_BACKSPACE;
	case KEY_RESIZE:
		clearok(curscr, TRUE); /* what stands there now only the terminal knows */
		return KEY_IS_RESIZE;
	default: return KEY_IS_NONE;
	}
}

int terminal_wait(int ms)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
	sigset_t open = before;
	wint_t ch;
	int there = 0, ready, got = get_wch(&ch);

	if (got != ERR)
		return key_of(got, ch);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&ours, sig) == 1)
			sigdelset(&open, sig);
	ready = ppoll(&input, 1, &time, &open);
	if (stopping)
		stop();
	if (continued) {
		take_again();
		return KEY_IS_RESIZE;
	}
	if (ending)
		return KEY_IS_GONE;
	if (ready > 0 && (ioctl(STDIN_FILENO, FIONREAD, &there) != 0 || there == 0))
		return KEY_IS_GONE; /* ready, and nothing to read: its other end is closed */
	got = get_wch(&ch); /* after SIGWINCH too: curses tells the size so */
	return got != ERR ? key_of(got, ch) : KEY_IS_NONE;
}

int terminal_signal(void)
{
	return ending;
}

int terminal_end(int code)
{
	if (ending) {
		signal(ending, SIG_DFL);
		raise(ending);
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	return code;
}

void terminal_sleep(int ms)
{
	struct timespec left = {ms / 1000, ms % 1000 * 1000000L};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}
