/* visible.c - prints what protects it, as far as a program in a sandbox can see it; then takes 64 MB, and says so if it lives */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TAKEN = 64 << 20 };
static char text[1 << 14];
static size_t len;

#define SAY(...) (len += (size_t)snprintf(text + len, sizeof(text) - len, __VA_ARGS__))

static void
say_lines(const char *path, const char *const *wanted)
{
	char line[512];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		for (size_t i = 0; wanted[i]; i++)
			if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
				SAY("%s", line);
	if (file)
		fclose(file);
}

static void
say_mounts(void)
{
	char line[1024], place[512], options[256];
	FILE *file = fopen("/proc/self/mountinfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %*s %511s %255s", place, options) == 2)
			SAY("mount %s %s\n", place, options);
	if (file)
		fclose(file);
}

int
main(void)
{
	static const char *const status[] = {
		"Uid", "Gid", "Groups", "SigBlk", "SigIgn", "Cap", "NoNewPrivs", "Seccomp:", NULL,
	};
	static const char *const namespaces[] = { "net", "mnt", "uts", "ipc", "cgroup", "user", "pid" };
	static const char *const closed[] = {
		"/etc/shadow", "/root", "/proc/1/environ", "/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/sys/kernel",
	};
	static const int limits[] = {
		RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO,
	};
	char target[64];

	for (int fd = 0; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			SAY("descriptor %d\n", fd);
	SAY("umask %o\n", (unsigned)umask(022));
	say_lines("/proc/self/status", status);
	say_lines("/proc/self/oom_score_adj", (const char *const[]){ "", NULL });
	say_mounts();
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		ssize_t n = readlink(path, target, sizeof(target));
		if (n > 0)
			SAY("namespace %.*s\n", (int)n, target);
	}
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;
		if (getrlimit(limits[i], &limit) == 0)
			SAY("limit %d %lld %lld\n", limits[i], (long long)limit.rlim_cur, (long long)limit.rlim_max);
	}
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		int fd = open(closed[i], O_RDONLY);
		if (fd >= 0 && read(fd, target, 1) != 0)
			SAY("reads %s\n", closed[i]);
	}
	if (open("/usr/x", O_CREAT | O_WRONLY, 0600) >= 0 || open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0)
		SAY("writes what is the host's\n");
	if (unshare(CLONE_NEWUSER) == 0 || syscall(SYS_keyctl, 0, 0, 0) >= 0 || errno != ENOSYS)
		SAY("calls what is forbidden\n");
	SAY("seen\n");
	(void)!write(1, text, len);
	char *memory = mmap(NULL, TAKEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory != MAP_FAILED) {
		memset(memory, 1, TAKEN);
		(void)!write(1, "took 64 MB\n", 11);
	}
	return 0;
}
