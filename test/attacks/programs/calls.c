/* calls.c - makes every system call from 0 to 1024 in three ways, each in a process of its own, and tells what came of it
 *
 * With numbers as arguments only those, as native calls.
 * Prints "TABLE NUMBER RESULT": TABLE is native, int80 or x32; RESULT is EPERM, ENOSYS, EAFNOSUPPORT, killed (by SIGSYS) or other.
 * All arguments are zero, or none of them means anything, so that what is allowed does no harm. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LAST = 1024, X32_BIT = 0x40000000 };

struct shared {
	volatile int done;
	volatile long result;
};

static long
native(long number)
{
	long result = syscall(number, 0, 0, 0, 0, 0, 0);
	return result == -1 ? -errno : result;
}

#ifdef __x86_64__
static long
int80(long number)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
	    : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static long
x32(long number)
{
	return native(number | X32_BIT);
}
#endif

/* A sixth of a second has to be enough: what waits for longer was let in. */
static int
wait_for(pid_t pid)
{
	int status = 0;

	for (int i = 0; i < 80; i++) {
		if (waitpid(pid, &status, WNOHANG | WUNTRACED) == pid)
			break;
		struct timespec little = { 0, i < 20 ? 100000 : 2000000 };
		nanosleep(&little, NULL);
	}
	kill(pid, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return status;
}

static const char *
try_call(long (*call)(long), long number, struct shared *shared)
{
	shared->done = 0;
	pid_t pid = fork();
	if (pid < 0)
		return "no process";
	if (pid == 0) {
		setpgid(0, 0);
		shared->result = call(number);
		shared->done = 1;
		syscall(SYS_exit_group, 0);
	}
	int status = wait_for(pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return "killed";
	if (shared->done && shared->result == -EPERM)
		return "EPERM";
	if (shared->done && shared->result == -ENOSYS)
		return "ENOSYS";
	if (shared->done && shared->result == -EAFNOSUPPORT)
		return "EAFNOSUPPORT";
	return "other";
}

static void
sweep(const char *table, long (*call)(long), struct shared *shared)
{
	for (long number = 0; number <= LAST; number++)
		printf("%s %ld %s\n", table, number, try_call(call, number, shared));
}

int
main(int argc, char **argv)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (shared == MAP_FAILED)
		return 1;
	for (int i = 1; i < argc; i++)
		printf("native %s %s\n", argv[i], try_call(native, atol(argv[i]), shared));
	if (argc > 1)
		return 0;
	sweep("native", native, shared);
#ifdef __x86_64__
	sweep("int80", int80, shared);
	sweep("x32", x32, shared);
#endif
	return 0;
}
