/* walk.c - walk [-x PATH] DIRECTORY...: every name below a directory that can be written: "w PATH", and at the top of it what can be read: "r PATH"
 *
 * Goes nowhere by a symbolic link, nor below the PATH. A file can be written when it opens for writing, a directory when access(2) says so. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64 };

static const char *left_out = "";

static int
readable(const char *path, mode_t mode)
{
	char byte;

	if (S_ISDIR(mode))
		return !access(path, R_OK);
	if (!S_ISREG(mode))
		return 0;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, &byte, 1);
	close(fd);
	return n > 0;
}

static int
writable(const char *path, mode_t mode)
{
	if (S_ISDIR(mode))
		return !access(path, W_OK);
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void
walk(const char *path, int depth, int reads)
{
	char below[PATH_MAX];
	struct stat stat;
	struct dirent *entry;
	DIR *directory;

	if (depth > DEPTH_MAX || !(directory = opendir(path)))
		return;
	while ((entry = readdir(directory))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		int n = snprintf(below, sizeof(below), "%s%s%s", path, path[1] ? "/" : "", entry->d_name);
		if (n < 0 || (size_t)n >= sizeof(below) || lstat(below, &stat) || S_ISLNK(stat.st_mode))
			continue;
		if (writable(below, stat.st_mode))
			printf("w %s\n", below);
		if (reads && readable(below, stat.st_mode))
			printf("r %s\n", below);
		if (S_ISDIR(stat.st_mode) && strcmp(below, left_out))
			walk(below, depth + 1, reads && depth < 1);
	}
	closedir(directory);
}

int
main(int argc, char **argv)
{
	int first = 1;

	if (argc > 2 && !strcmp(argv[1], "-x")) {
		left_out = argv[2];
		first = 3;
	}
	for (int i = first; i < argc; i++) {
		if (!access(argv[i], W_OK))
			printf("w %s\n", argv[i]);
		walk(argv[i], 0, strcmp(argv[i], "/usr") != 0);
	}
	return 0;
}
