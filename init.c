/* init.c - pid 1 of a container: passes signals on, waits for orphans, and stays where it was started
 *
 * The launcher leaves the namespaces that it was started in, and who executes something in a container (`docker exec`, a health
 * check) enters the namespaces of its pid 1: so that one must not be the launcher. It reads nothing, and touches no file, but that as
 * the first process of a virtual machine it mounts what a machine has. */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

/* The kernel starts its first process with a root and nothing else. Where one of them is refused, or there already, who
 * needs it says so. */
static void
mount_machine(void)
{
	static const struct {
		char type[9], place[15];
		unsigned long flags;
	} own[] = {
		{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "devtmpfs", "/dev", MS_NOSUID },
		{ "cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC },
	};

	if (!access("/proc/self", F_OK))
		return;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		(void)mkdir(own[i].place, 0755);
		(void)mount(own[i].type, own[i].place, own[i].type, own[i].flags, NULL);
	}
}

/* Waits for all that has ended. True when the child is among them. */
static int
reap(pid_t child, int *status)
{
	int ended, found = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &ended, WNOHANG)) > 0)
		if (pid == child) {
			*status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
			found = 1;
		}
	return found;
}

/* The token is the child's: here it would only lie in /proc/1/environ. */
static void
wipe_token(void)
{
	char *token = getenv("OPENSANDBOX_TOKEN");

	if (token)
		explicit_bzero(token, strlen(token));
}

static void
stay(pid_t child, const sigset_t *signals, int *status)
{
	siginfo_t info;

	for (;;) {
		int signal = sigwaitinfo(signals, &info);
		if (signal == SIGCHLD) {
			if (reap(child, status))
				return;
		} else if (signal > 0 && info.si_code != SI_KERNEL) {
			/* What a terminal sends, by the kernel, the child has got too. */
			(void)kill(child, signal);
		}
	}
}

int
init_split(int *status)
{
	sigset_t signals, before;

	if (getpid() != 1)
		return 0;
	mount_machine();
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(&signals, passed[i]);
	/* Blocked before the fork: none is lost. */
	if (sigprocmask(SIG_BLOCK, &signals, &before))
		return -errno;
	pid_t child = fork();
	if (child < 0) {
		int error = -errno;
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		return error;
	}
	if (child == 0) {
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		return 0;
	}
	wipe_token();
	stay(child, &signals, status);
	return 1;
}
