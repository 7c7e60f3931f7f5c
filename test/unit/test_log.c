/* Unit: src/log.c: levels, patience, what is kept for later, and where words go when nobody takes them. */
#define _GNU_SOURCE
#include "log.h"
#include "port.h"

#include <fcntl.h>
#include <signal.h>

#include "alone.h"

ALONE(a_level_lets_through_what_is_as_grave)
{
	for (int level = WEIR_LOG_NONE; level <= WEIR_LOG_DEBUG; level++) {
		unsigned before = said_count();

		weir__log_set(say_to_test, NULL, (enum weir_log_level)level);
		for (int grave = WEIR_LOG_ERROR; grave <= WEIR_LOG_DEBUG; grave++) {
			weir_private_log((enum weir_log_level)grave, "at level %d this is %d", level, grave);
			if (grave <= level) {
				assert_int_equal(said_count(), before + 1);
				assert_int_equal(said.level[before], grave);
				before++;
			}
			assert_int_equal(said_count(), before);
		}
	}
	assert_int_equal(said_count(), 0 + 1 + 2 + 3 + 4);
	assert_string_equal(said.text[0], "at level 2 this is 2");
}

ALONE(a_message_is_said_once_a_minute)
{
	weir__log_set(say_to_test, NULL, WEIR_LOG_DEBUG);
	for (int i = 0; i < 100; i++) {
		weir_private_log(WEIR_LOG_WARN, "again");
		weir_private_log(WEIR_LOG_WARN, "and %s", "again");
	}
	assert_int_equal(said_count(), 2);
	assert_int_equal(said_times("and again"), 1);
	weir_private_log(WEIR_LOG_WARN, "another");
	assert_int_equal(said_count(), 3);
}

/* Whatever it is remembered by: two that fall upon one place take turns. */
ALONE(a_hundred_messages_in_turn_are_each_said_once)
{
	weir__log_set(say_to_test, NULL, WEIR_LOG_DEBUG);
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < 100; i++)
			weir_private_log(WEIR_LOG_WARN, "message %d of a hundred", i);
	assert_int_equal(said_count(), 100);
}

static void spoil_errno(void *arg, enum weir_log_level level, const char *text)
{
	say_to_test(arg, level, text);
	errno = ENOTTY;
}

ALONE(errno_and_arg_are_the_hosts)
{
	static int mine;

	weir__log_set(spoil_errno, &mine, WEIR_LOG_WARN);
	errno = EDOM;
	weir_private_log(WEIR_LOG_WARN, "said");
	assert_int_equal(errno, EDOM);
	assert_int_equal(said_count(), 1);
}

static void expect_arg(void *arg, enum weir_log_level level, const char *text)
{
	assert_string_equal(arg, "mine");
	say_to_test(arg, level, text);
}

ALONE(the_callback_gets_its_argument_and_a_line_without_newline)
{
	static char mine[] = "mine", long_text[2000];

	memset(long_text, 'x', sizeof long_text - 1);
	weir__log_set(expect_arg, mine, WEIR_LOG_WARN);
	weir_private_log(WEIR_LOG_ERROR, "short");
	weir_private_log(WEIR_LOG_ERROR, "%s", long_text);
	assert_string_equal(said.text[0], "short");
	assert_in_range(strlen(said.text[1]), 256, sizeof said.text[1] - 1); /* cut, and still text */
	assert_int_equal(strspn(said.text[1], "x"), strlen(said.text[1]));
}

/* What comes out of a descriptor while run runs. */
static void capture(int fd, void (*run)(void), char *out, size_t size)
{
	int ends[2], kept = dup(fd);
	size_t used = 0;
	ssize_t got;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], fd), fd);
	close(ends[1]);
	run();
	assert_int_equal(dup2(kept, fd), fd); /* the pipe's last writer goes */
	close(kept);
	while (used + 1 < size && (got = read(ends[0], out + used, size - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = '\0';
	close(ends[0]);
}

static void speak(void)
{
	static char long_text[2000];

	memset(long_text, 'y', sizeof long_text - 1);
	weir__log_set(NULL, NULL, WEIR_LOG_WARN);
	weir_private_log(WEIR_LOG_ERROR, "the first");
	weir_private_log(WEIR_LOG_WARN, "the second");
	weir_private_log(WEIR_LOG_INFO, "the third");
	weir_private_log(WEIR_LOG_WARN, "%s", long_text);
	weir__log_later("the fourth");
	weir__log_flush();
	weir__log_set(NULL, NULL, WEIR_LOG_INFO);
	weir_private_log(WEIR_LOG_INFO, "the fifth");
}

ALONE(without_a_callback_warnings_and_errors_go_to_standard_error)
{
	static char out[8192];
	char *third;

	capture(STDERR_FILENO, speak, out, sizeof out);
	assert_int_equal(strncmp(out, "weir: error: the first\nweir: warning: the second\nweir: warning: yyyyyyyy", 72),
	                 0);
	third = strchr(out, 'y');
	third += strspn(third, "y");
	assert_string_equal(third, "\nweir: error: the fourth\nweir: the fifth\n");
}

ALONE(nothing_goes_to_standard_output)
{
	static char out[8192];

	capture(STDOUT_FILENO, speak, out, sizeof out);
	assert_string_equal(out, "");
}

ALONE(standard_error_that_is_closed_is_no_harm)
{
	int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	close(STDERR_FILENO);
	errno = EDOM;
	speak();
	assert_int_equal(errno, EDOM);
	dup2(kept, STDERR_FILENO);
}

ALONE(what_is_said_later_waits_for_the_flush)
{
	weir__log_set(say_to_test, NULL, WEIR_LOG_WARN);
	weir__log_later("one");
	weir__log_later("two");
	weir__log_later_about("a kind: ", "three");
	assert_int_equal(said_count(), 0);
	weir__log_flush();
	assert_int_equal(said_count(), 3);
	assert_string_equal(said.text[0], "one");
	assert_string_equal(said.text[1], "two");
	assert_string_equal(said.text[2], "a kind: three");
	for (int i = 0; i < 3; i++)
		assert_int_equal(said.level[i], WEIR_LOG_ERROR);
	weir__log_flush();
	assert_int_equal(said_count(), 3);
}

ALONE(so_many_are_kept_and_their_places_come_free)
{
	enum { KEPT = 32 }; /* as log.h says */
	char text[32];

	weir__log_set(say_to_test, NULL, WEIR_LOG_WARN);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < KEPT + 10; i++) {
			snprintf(text, sizeof text, "round %d, number %d", round, i);
			weir__log_later(text);
		}
		weir__log_flush();
		assert_int_equal(said_count(), KEPT * (round + 1));
		snprintf(text, sizeof text, "round %d, number %d", round, KEPT - 1);
		assert_int_equal(said_times(text), 1);
	}
}

ALONE(of_a_kind_one_is_kept_until_the_flush)
{
	weir__log_set(say_to_test, NULL, WEIR_LOG_WARN);
	weir__log_later_about("wrong: ", "a");
	weir__log_later_about("wrong: ", "b");
	weir__log_later_about("other: ", "c");
	weir__log_later("wrong: d"); /* as a text of its own it is none of the kind */
	weir__log_later("plain");
	weir__log_later("plain");
	weir__log_flush();
	assert_int_equal(said_times("wrong: a"), 1);
	assert_int_equal(said_times("wrong: b"), 0);
	assert_int_equal(said_times("wrong: d"), 1);
	assert_int_equal(said_times("other: c"), 1);
	assert_int_equal(said_times("plain"), 1);
	weir__log_later_about("wrong: ", "b");
	weir__log_flush();
	assert_int_equal(said_times("wrong: b"), 1);
}

ALONE(what_is_too_long_for_later_is_cut)
{
	static char long_text[2000];

	memset(long_text, 'x', sizeof long_text - 1);
	weir__log_set(say_to_test, NULL, WEIR_LOG_WARN);
	weir__log_later_about(long_text, "end");
	weir__log_later_about("begin", long_text);
	weir__log_flush();
	assert_int_equal(said_count(), 2);
	assert_int_equal(strncmp(said.text[1], "beginxxx", 8), 0);
	assert_in_range(strlen(said.text[0]), 256, sizeof said.text[0] - 1);
}

static void on_signal(int signal)
{
	(void)signal;
	weir__log_later_about("within a handler: ", "said");
}

ALONE(a_signal_handler_may_leave_words)
{
	weir__log_set(say_to_test, NULL, WEIR_LOG_WARN);
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	assert_int_equal(said_count(), 0);
	weir__log_flush();
	assert_int_equal(said_times("within a handler: said"), 1);
}

static void *leave_words(void *arg)
{
	char text[64];

	(void)arg;
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof text, "thread %d leaves %d", weir__tid(), i);
		weir__log_later_about(text, "!");
		weir__log_later_about("all leave: ", text);
	}
	return NULL;
}

static void whole_words(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	assert_int_equal(level, WEIR_LOG_ERROR);
	if (strncmp(text, "thread ", 7) == 0)
		assert_int_equal(text[strlen(text) - 1], '!');
	else
		assert_int_equal(strncmp(text, "all leave: thread ", 18), 0);
	pthread_mutex_lock(&said.lock);
	said.count++;
	pthread_mutex_unlock(&said.lock);
}

ALONE(words_of_many_threads_come_whole)
{
	pthread_t threads[4];

	weir__log_set(whole_words, NULL, WEIR_LOG_WARN);
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = begin_thread(leave_words, NULL);
	for (int i = 0; i < 200; i++)
		weir__log_flush();
	for (size_t i = 0; i < COUNT(threads); i++)
		end_thread(threads[i]);
	weir__log_flush();
	assert_true(said_count() >= 8);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_level_lets_through_what_is_as_grave),
	cmocka_unit_test(a_message_is_said_once_a_minute),
	cmocka_unit_test(a_hundred_messages_in_turn_are_each_said_once),
	cmocka_unit_test(errno_and_arg_are_the_hosts),
	cmocka_unit_test(the_callback_gets_its_argument_and_a_line_without_newline),
	cmocka_unit_test(without_a_callback_warnings_and_errors_go_to_standard_error),
	cmocka_unit_test(nothing_goes_to_standard_output),
	cmocka_unit_test(standard_error_that_is_closed_is_no_harm),
	cmocka_unit_test(what_is_said_later_waits_for_the_flush),
	cmocka_unit_test(so_many_are_kept_and_their_places_come_free),
	cmocka_unit_test(of_a_kind_one_is_kept_until_the_flush),
	cmocka_unit_test(what_is_too_long_for_later_is_cut),
	cmocka_unit_test(a_signal_handler_may_leave_words),
	cmocka_unit_test(words_of_many_threads_come_whole),
};
ALONE_MAIN(tests)
