/* fail_call.c - fail_call N ERRNO FILE COMMAND...: makes the Nth system call of a command and all its processes fail
 *
 * The call is not made, and returns -ERRNO. What a command that was started (a second execve) calls itself is not counted, nor what
 * a process behind a filter of system calls does, whose filter would end it. With N of 0 nothing fails. Counting begins at once, or, where
 * FILE begins with '+', with SIGUSR1. FILE (without that) is given one line: the number of the call that failed and its arguments, and last how
 * many were counted. The status is the command's; 99 where it had not ended after 60 s.
 *
 * Calls that cannot fail in the way that is asked for are left alone: a wait that fails tells of no kernel, but of a program
 * that has lost its children. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 60, PIDS = 1 << 22 };

static const long never_fail[] = {
	SYS_wait4, SYS_kill, SYS_pidfd_send_signal, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_clock_gettime, SYS_getpid,
	SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_gettid, SYS_umask, SYS_fstat, SYS_capget, SYS_capset, SYS_exit,
	SYS_exit_group, SYS_set_tid_address, SYS_arch_prctl, SYS_close, SYS_close_range, SYS_munmap, SYS_getrlimit,
};

static struct process {
	bool inside, failing, own;
} processes[PIDS];
static pid_t root;
static volatile sig_atomic_t counting;

static void
count(int number)
{
	(void)number;
	counting = 1;
}

static void
give_up(int number)
{
	(void)number;
	kill(root, SIGKILL);		/* the others with us: PTRACE_O_EXITKILL */
	_exit(99);
}

static bool
is_filtered(pid_t pid)
{
	char path[40], line[256];
	bool filtered = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *status = fopen(path, "r");
	while (status && fgets(line, sizeof(line), status))
		filtered |= strcmp(line, "Seccomp:\t2\n") == 0;
	if (status)
		fclose(status);
	return filtered;
}

static bool
can_fail(long call)
{
	for (size_t i = 0; i < sizeof(never_fail) / sizeof(never_fail[0]); i++)
		if (never_fail[i] == call)
			return false;
	return true;
}

/* At a call's beginning or end. */
static void
at_call(pid_t pid, long which, int error, FILE *log)
{
	static long n;
	struct process *process = &processes[pid];
	struct user_regs_struct regs;

	process->inside = !process->inside;
	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return;
	if (!process->inside) {
		if (process->failing) {
			regs.rax = (unsigned long long)-error;
			ptrace(PTRACE_SETREGS, pid, NULL, &regs);
		}
		process->failing = false;
		return;
	}
	if (!counting || process->own || !can_fail((long)regs.orig_rax) || is_filtered(pid))
		return;
	rewind(log);
	n++;
	if (n == which) {
		fprintf(log, "call %lld (%llx, %llx, %llx)\n", regs.orig_rax, regs.rdi, regs.rsi, regs.rdx);
		regs.orig_rax = (unsigned long long)-1;
		process->failing = ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0;
	}
	if (which == 0)
		fprintf(log, "%ld\n", n);
	if (n == which || which == 0)
		fflush(log);
}

int
main(int argc, char **argv)
{
	int status, result = 0;
	bool started = false;

	if (argc < 5)
		return 2;
	counting = argv[3][0] != '+';
	FILE *log = fopen(argv[3] + !counting, "w");
	if (!log)
		return 2;
	signal(SIGUSR1, count);
	signal(SIGALRM, give_up);
	root = fork();
	if (root == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[4], argv + 4);
		_exit(127);
	}
	if (root < 0 || waitpid(root, &status, 0) != root || ptrace(PTRACE_SETOPTIONS, root, NULL, PTRACE_O_TRACESYSGOOD |
	    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
		return 2;
	alarm(SECONDS);
	ptrace(PTRACE_SYSCALL, root, NULL, NULL);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return result;
		if (!WIFSTOPPED(status)) {
			if (pid == root)
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			processes[pid] = (struct process){ 0 };
			continue;
		}
		int deliver = 0, signal = WSTOPSIG(status);
		if (signal == (SIGTRAP | 0x80)) {
			at_call(pid, atol(argv[1]), atoi(argv[2]), log);
		} else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
			processes[pid].own = started;
			started = true;
		} else if (signal != SIGSTOP && signal != SIGTRAP) {
			deliver = signal;
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, deliver);
	}
}
