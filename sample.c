/* sample.c - adds up what a sandbox's processes have used, by its own /proc (pid 1's root/proc). Reads, and touches nothing. */
#include "sample.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES_MAX = 4096 };

struct sum {
	uint64_t user_ticks, system_ticks, pages;
};

/* The number that text goes on with behind white space; *text moves behind it. Negative ones count as 0. */
static uint64_t
take_number(const char **text)
{
	*text += strspn(*text, " ");
	uint64_t value = strtoull(*text, NULL, 10);
	bool negative = **text == '-';

	*text += strcspn(*text, " ");
	return negative ? 0 : value;
}

/* Fields of /proc/PID/stat (proc(5)), counted behind the command's name, which may hold anything: 3 state, 14 utime,
 * 15 stime, 16 cutime, 17 cstime, 24 rss. */
static void
add_process(int proc, const char *name, struct sum *sum)
{
	char path[300], text[1024];
	uint64_t field[25] = { 0 };

	snprintf(path, sizeof(path), "%s/stat", name);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	const char *rest = strrchr(text, ')');
	if (!rest)
		return;
	rest++;
	for (size_t i = 3; i < sizeof(field) / sizeof(field[0]); i++)
		field[i] = take_number(&rest);
	sum->user_ticks += field[14] + field[16];
	sum->system_ticks += field[15] + field[17];
	sum->pages += field[24];
}

static void
raise_to(uint64_t *value, uint64_t seen)
{
	if (*value < seen)
		*value = seen;
}

void
sample_take(struct sample *sample, int proc, pid_t init)
{
	char path[48];
	struct sum sum = { 0, 0, 0 };
	struct dirent *entry;

	snprintf(path, sizeof(path), "%d/root/proc", (int)init);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (int i = 0; i < PROCESSES_MAX && (entry = readdir(list));)
		if (isdigit((unsigned char)entry->d_name[0]) && strcmp(entry->d_name, "1")) {
			add_process(dirfd(list), entry->d_name, &sum);
			i++;
		}
	closedir(list);
	uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	raise_to(&sample->user_ns, sum.user_ticks * tick_ns);
	raise_to(&sample->system_ns, sum.system_ticks * tick_ns);
	raise_to(&sample->cpu_ns, sample->user_ns + sample->system_ns);
	sample->mem_kb = sum.pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	raise_to(&sample->peak_kb, sample->mem_kb);
}

void
sample_end(struct sample *sample, uint64_t user_ns, uint64_t system_ns, uint64_t max_rss_kb)
{
	raise_to(&sample->user_ns, user_ns);
	raise_to(&sample->system_ns, system_ns);
	raise_to(&sample->cpu_ns, sample->user_ns + sample->system_ns);
	raise_to(&sample->peak_kb, max_rss_kb);
}
