/* sample.c - adds up what a sandbox's processes have used, going from pid 1 to its children and theirs by the host's /proc. An
 * orphan becomes pid 1's child, so all are found. Reads, and touches nothing. */
#include "sample.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "buf.h"

enum { PROCESSES_MAX = 4096 };

struct sum {
	uint64_t user_ticks, system_ticks, pages;
};

/* The number that text goes on with behind white space; *text moves behind it. Negative ones count as 0. */
static uint64_t
take_number(const char **text)
{
	*text += strspn(*text, " ");
	bool negative = **text == '-';
	uint64_t value = text_number(text);

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
	if (text_read(proc, path, text, sizeof(text)) <= 0)
		return;
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

struct tree {
	int proc;
	size_t len;
	pid_t pids[PROCESSES_MAX];
};

static void
add_numbers(struct tree *tree, const char *text)
{
	while (*text && tree->len < PROCESSES_MAX) {
		uint64_t pid = take_number(&text);
		if (pid && pid <= INT32_MAX)
			tree->pids[tree->len++] = (pid_t)pid;
		text += strspn(text, " \n");
	}
}

/* The children that one thread has made: /proc/PID/task/TID/children (proc(5)). */
static void
add_children_of(struct tree *tree, int tasks, const char *thread)
{
	char path[300], text[16384];

	snprintf(path, sizeof(path), "%s/children", thread);
	if (text_read(tasks, path, text, sizeof(text)) > 0)
		add_numbers(tree, text);
}

static void
add_children(struct tree *tree, pid_t pid)
{
	char path[48];
	struct dirent *entry;

	snprintf(path, sizeof(path), "%d/task", (int)pid);
	int fd = openat(tree->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(list)))
		if (isdigit((unsigned char)entry->d_name[0]))
			add_children_of(tree, dirfd(list), entry->d_name);
	closedir(list);
}

void
sample_take(struct sample *sample, int proc, pid_t init)
{
	char name[16];
	struct sum sum = { 0, 0, 0 };
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return;
	tree->proc = proc;
	/* What orphans used is pid 1's when it has reaped them; its memory is ours, not the tree's. */
	snprintf(name, sizeof(name), "%d", (int)init);
	add_process(proc, name, &sum);
	sum.pages = 0;
	add_children(tree, init);
	for (size_t i = 0; i < tree->len; i++) {
		snprintf(name, sizeof(name), "%d", (int)tree->pids[i]);
		add_process(proc, name, &sum);
		add_children(tree, tree->pids[i]);
	}
	free(tree);
	uint64_t tick_ns = 1000000000u / getauxval(AT_CLKTCK);
	raise_to(&sample->user_ns, sum.user_ticks * tick_ns);
	raise_to(&sample->system_ns, sum.system_ticks * tick_ns);
	raise_to(&sample->cpu_ns, sample->user_ns + sample->system_ns);
	sample->mem_kb = sum.pages * getauxval(AT_PAGESZ) / 1024;
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
