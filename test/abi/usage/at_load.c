/* What the constructors of a program with instruments do, before main: only the system calls that doc/syscalls.md names. It
 * starts itself once more; there a filter stands before any constructor runs, and what it does not know ends the process. */
#include <weir/weir.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

WEIR_COUNTER(requests, "at_load_requests_total", "Requests.");
WEIR_COUNTER(labelled, "at_load_labelled_total", "Requests by code.", "code");
WEIR_GAUGE(depth, "at_load_depth", "Depth.");
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "at_load_seconds", "Time.", "route");
WEIR_HISTOGRAM(wide, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "at_load_wide_seconds", "Time.");
WEIR_INFO(build, "at_load_build", "What runs.", "version");

enum { NO_FILTER = 253, OTHER = 1, CALLS = 250 }; /* exit codes: OTHER + the call's number, as far as a byte holds it */
static int watched;                  /* read by main, so that the first record is not looked at here */

static void tell(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	_exit(OTHER + (int)((unsigned)info->si_syscall % CALLS));
}

#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
static void before_constructors(int argc, char **argv, char **env)
{
	struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	                             ALLOW(mmap), ALLOW(munmap), ALLOW(madvise), ALLOW(gettid), ALLOW(rt_sigprocmask),
	                             ALLOW(exit_group), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	struct sigaction action;

	(void)env;
	if (argc != 2 || strcmp(argv[1], "watched") != 0)
		return;
	watched = 1;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = tell;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(NO_FILTER);
}
__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = before_constructors;

int main(int argc, char **argv)
{
	char word[] = "watched", *const again[] = {argv[0], word, NULL};
	pid_t child;
	int end;

	(void)argc;
	if (watched)
		_exit(0); /* all constructors have run */
	child = fork();
	if (child == 0) {
		execv("/proc/self/exe", again);
		_exit(NO_FILTER);
	}
	if (child < 0 || waitpid(child, &end, 0) != child || !WIFEXITED(end)) {
		fprintf(stderr, "the constructors end the process\n");
		return 1;
	}
	if (WEXITSTATUS(end) == NO_FILTER) {
		fprintf(stderr, "no filter can be installed here: nothing is shown\n");
		return 1;
	}
	if (WEXITSTATUS(end) != 0) {
		fprintf(stderr, "a constructor makes system call %d, or %d, which doc/syscalls.md does not name\n",
		        WEXITSTATUS(end) - OTHER, WEXITSTATUS(end) - OTHER + CALLS);
		return 1;
	}
	/* and they were there: what they registered is exported as 0 */
	weir_counter_add(&requests, 1);
	weir_counter_add_with(&labelled, 1, "200");
	weir_gauge_set(&depth, 1);
	weir_histogram_record_with(&latency, 1, "/");
	weir_histogram_record(&wide, 1);
	weir_info_set(&build, "1");
	return weir_counter_read(&requests) == 1 ? 0 : 1;
}
