/* cgroup_files.c - control groups: their files, their mounts, their processes, and what dead
 * launchers left
 *
 * Knows /proc/self/mountinfo, /proc/self/cgroup, and the names of launchers' groups. Touches
 * only what it is given a directory of. */
#include "cgroup_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h> /* ST_* */
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { LONG_TEXT_MAX = 64 << 20 };	/* the host may have very many mounts */

const char *const cgroup_controller_names[CGROUP_CONTROLLERS] = {
	[CGROUP_MEMORY] = "memory",
	[CGROUP_PIDS] = "pids",
	[CGROUP_CPUACCT] = "cpuacct",
	[CGROUP_CPU] = "cpu",
};

int64_t cgroup_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void cgroup_pause_ms(long ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

void cgroup_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int cgroup_read_all(int dir, const char *name, struct buf *text)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), result;

	buf_init(text, LONG_TEXT_MAX);
	if (fd < 0)
		return -errno;
	result = buf_read(text, fd);
	close(fd);
	return result;
}

int cgroup_write(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	do
		n = pwrite(fd, text, len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int cgroup_write_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = cgroup_write(fd, text);
	close(fd);
	return result;
}

int cgroup_write_number(int fd, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return cgroup_write(fd, text);
}

int cgroup_number(int fd, uint64_t *number)
{
	char text[32];
	const char *at = text;
	int n = text_pread(fd, text, sizeof(text));

	if (n < 0)
		return n;
	if (strncmp(text, "max", 3) == 0) {
		*number = UINT64_MAX;
		return 0;
	}
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	*number = text_number(&at);
	return 0;
}

uint64_t cgroup_field(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (text) {
		if (strncmp(text, word, len) == 0 && text[len] == ' ') {
			text += len;
			return text_number(&text);
		}
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return 0;
}

bool cgroup_listed(const char *list, const char *separators, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, separators);

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n;
		list += strspn(list, separators);
	}
	return false;
}

int cgroup_texts_read(struct cgroup_texts *texts)
{
	int result = cgroup_read_all(AT_FDCWD, "/proc/self/cgroup", &texts->groups);
	int second = cgroup_read_all(AT_FDCWD, "/proc/self/mountinfo", &texts->mounts);

	return result < 0 ? result : second;
}

void cgroup_texts_free(struct cgroup_texts *texts)
{
	buf_free(&texts->groups);
	buf_free(&texts->mounts);
}

/* Our group's path in a hierarchy, as /proc/self/cgroup has it: "ID:CONTROLLERS:PATH". */
static int own_path(const struct buf *groups, const char *controller, char *path, size_t size)
{
	char *text = strdup(groups->data), *save = NULL;
	char *line = text ? strtok_r(text, "\n", &save) : NULL;
	int result = text ? -ENOENT : -ENOMEM;

	for (; line; line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':');
		char *end = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!end)
			continue;
		*end++ = '\0';
		controllers++;
		if (controller ? !cgroup_listed(controllers, ",", controller) :
		    strncmp(line, "0:", 2) != 0 || *controllers)
			continue;
		if (end[0] == '/' && strlen(end) < size) {
			strcpy(path, end);
			result = 0;
		}
		break;
	}
	free(text);
	return result;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ =
			    (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* What lies below root on the way to own; NULL where own is elsewhere. */
static const char *below(const char *root, const char *own)
{
	size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(root, own, len) != 0 || (own[len] != '/' && own[len] != '\0'))
		return NULL;
	own += len;
	return strcmp(own, "/") == 0 ? "" : own;
}

/* One line of mountinfo: 1 where it is the mount of our group, 2 where it is one of that
 * hierarchy that does not show our group, else 0. */
static int place_parse(
    struct cgroup_place *place, char *line, const char *controller, const char *own)
{
	char *field[6], *rest = strstr(line, " - "), *save = NULL;
	const char *type, *options, *path;
	struct statfs stat;

	if (!rest)
		return 0;
	*rest = '\0';
	for (size_t i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return 0;
	}
	type = strtok_r(rest + 3, " ", &save);
	if (!type || strcmp(type, controller ? "cgroup" : "cgroup2") != 0)
		return 0;
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " \n", &save);
	if (!options || (controller && !cgroup_listed(options, ",", controller)))
		return 0;
	unescape(field[3]);
	unescape(field[4]);
	/* A mount may be hidden by another one. And above the namespace's root we do not know
	 * where we are. */
	if (strlen(field[4]) >= sizeof(place->point) || strncmp(field[3], "/..", 3) == 0 ||
	    statfs(field[4], &stat) < 0 ||
	    stat.f_type != (controller ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC))
		return 0;
	path = below(field[3], own);
	strcpy(place->point, field[4]);
	strcpy(place->own, path ? path : "");
	snprintf(place->options, sizeof(place->options), "%s", options);
	place->visible_root = strcmp(own, "/") == 0;
	return path ? 1 : 2;
}

int cgroup_place_find(
    const struct cgroup_texts *texts, struct cgroup_place *place, const char *controller)
{
	char own[PATH_MAX], *save = NULL;
	int found = 0, result = own_path(&texts->groups, controller, own, sizeof(own));

	if (result < 0)
		return result;
	char *text = strdup(texts->mounts.data);
	char *line = text ? strtok_r(text, "\n", &save) : NULL;
	for (; found != 1 && line; line = strtok_r(NULL, "\n", &save)) {
		struct cgroup_place other;
		int n = place_parse(&other, line, controller, own);

		if (n == 1 || (n == 2 && found == 0)) {
			*place = other;
			found = n;
		}
	}
	free(text);
	return found ? 0 : text ? -ENOENT : -ENOMEM;
}

int cgroup_remount(const char *point)
{
	struct statfs stat;
	unsigned long flags = MS_REMOUNT | MS_BIND;

	if (statfs(point, &stat) < 0)
		return -errno;
	/* In a user namespace these cannot be taken off; and nothing here wants them off. */
	flags |= stat.f_flags & ST_NOSUID ? MS_NOSUID : 0;
	flags |= stat.f_flags & ST_NODEV ? MS_NODEV : 0;
	flags |= stat.f_flags & ST_NOEXEC ? MS_NOEXEC : 0;
	return mount(NULL, point, NULL, flags, NULL) < 0 ? -errno : 0;
}

int cgroup_each_pid(int dir, int (*call)(void *context, pid_t pid), void *context)
{
	struct buf text;
	int result = cgroup_read_all(dir, "cgroup.procs", &text);

	for (const char *at = text.data; result == 0 && *at; at++) {
		uint64_t pid = text_number(&at);

		/* 0 is a process that this pid namespace does not see. */
		if (pid > 0 && pid <= INT32_MAX)
			result = call(context, (pid_t)pid);
		if (*at != '\n')
			break;
	}
	buf_free(&text);
	return result;
}

static int kill_one(void *context, pid_t pid)
{
	int *n = context;

	if (pid == getpid())
		return 0;
	kill(pid, SIGKILL);
	++*n;
	return 0;
}

int cgroup_kill_all(int dir)
{
	int n = 0, result;

	result = cgroup_write_at(dir, "cgroup.kill", "1");
	if (result < 0)
		result = cgroup_each_pid(dir, kill_one, &n);
	return result < 0 ? result : n;
}

/* When a process started, in ticks since boot; 0 where it is gone or a zombie, UINT64_MAX where
 * that cannot be told. */
static uint64_t start_time(pid_t pid)
{
	char path[40], text[1024];
	const char *at;
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : UINT64_MAX;
	n = text_pread(fd, text, sizeof(text));
	close(fd);
	if (n < 0)
		return n == -ESRCH ? 0 : UINT64_MAX;
	at = strrchr(text, ')');	/* the name before it may hold anything */
	if (!at || at[1] != ' ')
		return UINT64_MAX;
	at += 2;
	if (*at == 'Z' || *at == 'X')
		return 0;
	for (int field = 3; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at)
			return UINT64_MAX;
		at++;
	}
	return text_number(&at);
}

static unsigned long long pid_namespace(void)
{
	struct stat stat_of;

	return stat("/proc/self/ns/pid", &stat_of) < 0 ? 0 : (unsigned long long)stat_of.st_ino;
}

int cgroup_base_make(struct cgroup_hierarchy *hierarchy)
{
	uint64_t start = start_time(getpid());

	if (start == 0 || start == UINT64_MAX)
		return -ESRCH;
	/* The number is for a process that opens twice. */
	for (unsigned number = 0; number < 100; number++) {
		snprintf(hierarchy->name, sizeof(hierarchy->name), CGROUP_BASE "-%d-%llu-%llu-%u",
		    (int)getpid(), (unsigned long long)start, pid_namespace(), number);
		if (mkdirat(hierarchy->home, hierarchy->name, 0755) == 0)
			break;
		if (errno != EEXIST || number == 99)
			return -errno;
	}
	hierarchy->base =
	    openat(hierarchy->home, hierarchy->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (hierarchy->base < 0) {
		int result = -errno;

		unlinkat(hierarchy->home, hierarchy->name, AT_REMOVEDIR);
		return result;
	}
	return 0;
}

bool cgroup_is_base(const char *name, bool *dead)
{
	uint64_t number[4], start;
	const char *at;

	*dead = false;
	if (strncmp(name, CGROUP_BASE, strlen(CGROUP_BASE)) != 0)
		return false;
	/* cppcheck takes the name of a test for every name: strncmp has seen that it is long enough. */
	/* cppcheck-suppress pointerOutOfBounds */
	at = name + strlen(CGROUP_BASE);
	for (size_t i = 0; i < 4; i++) {
		if (at[0] != '-' || at[1] < '0' || at[1] > '9')
			return false;
		at++;
		number[i] = text_number(&at);
	}
	if (*at || number[0] == 0 || number[0] > INT32_MAX)
		return false;
	/* A launcher in another pid namespace may well be alive: its groups are let be. */
	if (number[2] == 0 || number[2] != pid_namespace())
		return true;
	start = start_time((pid_t)number[0]);
	*dead = start != UINT64_MAX && start != number[1];
	return true;
}

/* Kills and removes one group without children, until a deadline. */
static int remove_group(int dir, const char *name, int64_t deadline)
{
	for (;;) {
		int group;

		if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		group = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (group >= 0) {
			cgroup_kill_all(group);
			close(group);
		}
		if (cgroup_clock() >= deadline)
			return -EBUSY;
		cgroup_pause_ms(1);
	}
}

int cgroup_remove_tree(int home, const char *name, int64_t deadline)
{
	int fd = openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		int result = -errno;

		cgroup_close_fd(&fd);
		return result == -ENOENT ? 0 : result;
	}
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			remove_group(fd, entry->d_name, deadline);
	closedir(dir);
	return remove_group(home, name, deadline);
}

void cgroup_remove_dead(int home, int64_t deadline)
{
	int fd = openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool dead;

	if (!dir) {
		cgroup_close_fd(&fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && cgroup_is_base(entry->d_name, &dead) && dead)
			cgroup_remove_tree(home, entry->d_name, deadline);
	closedir(dir);
}
