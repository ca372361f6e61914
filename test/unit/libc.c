/* needs: format.c */
/* libc.c's tests: with musl of what is here in place of its own, with another C library of that one's own */
#include "../../libc.c"

#include <fcntl.h>
#include <sys/wait.h>

#include "test.h"

static int compare(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

TEST("arrays of any length and order are sorted")
{
	static int values[600];
	unsigned seed = 1;

	for (size_t len = 0; len < 600; len += len < 20 ? 1 : 97)
		for (int order = 0; order < 4; order++) {
			long before = 0, after = 0;
			for (size_t i = 0; i < len; i++) {
				seed = seed * 1103515245 + 12345;
				values[i] = order == 0 ? (int)i : order == 1 ? -(int)i : order == 2 ? 7 : (int)(seed >> 8) % 50;
				before += values[i];
			}
			qsort(values, len, sizeof(values[0]), compare);
			for (size_t i = 0; i < len; i++) {
				after += values[i];
				CHECK(i == 0 || values[i - 1] <= values[i]);
			}
			CHECK_INT(after, before);
		}
}

TEST("a part of a text is found at its first place, or not")
{
	const char *text = "aab aabc";

	CHECK(strstr(text, "aabc") == text + 4);
	CHECK(strstr(text, "aab") == text);
	CHECK(strstr(text, "") == text);
	CHECK(strstr(text, "c") == text + 7);
	CHECK(strstr(text, "cc") == NULL);
	CHECK(strstr("", "x") == NULL);
	CHECK(strstr("", "") != NULL);
}

/* What `body` writes to stdout. */
static size_t written(void (*body)(void), char *text, size_t size)
{
	int ends[2], saved = dup(STDOUT_FILENO);

	CHECK(saved >= 0 && pipe(ends) == 0);
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	body();
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	ssize_t n, len = 0;
	while ((n = read(ends[0], text + len, size - (size_t)len)) > 0)
		len += n;
	close(ends[0]);
	return (size_t)len;
}

static char long_text[5000];

static void write_all_kinds(void)
{
	printf("%s|%d\n", "printf", 42);
	fprintf(stdout, "%.1f\n", 1.5);
	fputs("fputs\n", stdout);
	puts("puts");
	fputc('c', stdout);
	putchar('\n');
	fwrite("fwrite\n", 1, 7, stdout);
	printf("%s\n", long_text);
}

TEST("what is printed comes out, in its order and whatever its length")
{
	static char text[8192];
	static const char expected[] = "printf|42\n1.5\nfputs\nputs\nc\nfwrite\n";

	memset(long_text, 'x', sizeof(long_text) - 1);
	CHECK_INT(written(write_all_kinds, text, sizeof(text)), sizeof(expected) - 1 + sizeof(long_text));
	CHECK(memcmp(text, expected, sizeof(expected) - 1) == 0);
	CHECK(memcmp(text + sizeof(expected) - 1, long_text, sizeof(long_text) - 1) == 0);
}

TEST("a write that failed is told by fflush")
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDOUT_FILENO);

	CHECK(full >= 0 && saved >= 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(full, STDOUT_FILENO);
		printf("lost");
		_exit(fflush(stdout) ? 0 : 1);
	}
	int status = -1;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	close(full);
	close(saved);
}

TEST_MAIN()
