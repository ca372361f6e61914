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
	fprintf(stdout, "%u.%u\n", 1u, 5u);
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

TEST("characters and sets of them are found in text, the end of it too")
{
	const char *text = "a,b=c";

	CHECK(strchr(text, ',') == text + 1 && !strchr(text, 'x') && strchr(text, '\0') == text + 5);
	CHECK(strchrnul(text, '=') == text + 3 && strchrnul(text, 'x') == text + 5);
	/* cppcheck-suppress invalidFunctionArg */
	CHECK(memchr("a\0\377", 0xff, 3) && !memchr("a\0\377", 0xff, 2) && memchr(text, 256 + 'a', 1) == text);
	CHECK(strspn(text, "ba,") == 3 && strspn(text, "") == 0 && strspn(text, "abc,=") == 5);
	CHECK(strcspn(text, "=,") == 1 && strcspn(text, "") == 5 && strcspn("", "x") == 0);
}

static int order_of(const char *a, const char *b, size_t size)
{
	return strncmp(a, b, size);
}

TEST("text is compared up to a length, and cut into words")
{
	char text[] = " a,,bc ", *rest = NULL;

	CHECK(!order_of("abc", "abd", 2) && order_of("abc", "abd", 3) < 0 && order_of("b", "a", 9) > 0);
	CHECK(!order_of("ab", "ab", 9) && order_of("ab", "abc", 9) < 0 && order_of("\377", "a", 1) > 0 && !order_of("x", "y", 0));
	const char *one = strtok_r(text, " ,", &rest), *two = strtok_r(NULL, " ,", &rest);
	CHECK(one == text + 1 && !strcmp(one, "a") && two == text + 4 && !strcmp(two, "bc"));
	CHECK(!strtok_r(NULL, " ,", &rest) && !strtok_r(NULL, " ,", &rest));
}

TEST("text is copied, and what is left of a field is zero")
{
	char field[8] = "1234567";

	CHECK(strncpy(field, "ab", sizeof(field) - 1) == field && !memcmp(field, "ab\0\0\0\0\0", 8));
	CHECK(!strcmp(strcpy(field, "abcd"), "abcd"));
}

TEST("a variable is found by its whole name, and taken away wherever it is")
{
	char one[] = "LONG_NAME=1", two[] = "LONG=2", three[] = "LONG=3", four[] = "X=";
	char *list[] = { one, two, four, three, NULL }, **kept = environ;

	environ = list;
	const char *value = getenv("LONG"), *empty = getenv("X"), *none = getenv("LON");
	int status = unsetenv("LONG");
	bool gone = !getenv("LONG") && list[0] == one && list[1] == four && !list[2];
	environ = kept;
	CHECK(value == two + 5 && empty == four + 2 && !none);
	CHECK(!status && gone);
}

TEST("a program is looked for in PATH, past what is not there and what may not be run")
{
	static char path[] = "PATH=/nowhere:/etc/passwd:/etc:/usr/bin:/bin", sh[] = "sh", c[] = "-c", script[] = "exit $1",
		    zero[] = "0", seven[] = "7", passwd[] = "passwd";
	static char etc[] = "PATH=/etc";
	char *env[] = { path, NULL }, *etc_only[] = { etc, NULL };
	char *argv[] = { sh, c, script, zero, seven, NULL }, *bad[] = { passwd, NULL };
	int status = 0;

	pid_t pid = fork();
	if (!pid) {
		environ = env;
		execvp(sh, argv);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 7);
	char **kept = environ;
	environ = etc_only;
	int denied = execvp(passwd, bad) < 0 ? errno : 0;
	int missing = execvp("no-such-program", bad) < 0 ? errno : 0;
	environ = kept;
	CHECK_INT(denied, EACCES);
	CHECK_INT(missing, ENOENT);
}

TEST("addresses are read as written, and nothing else is one")
{
	static const struct {
		const char *text, *bytes;	/* in hexadecimal, NULL: none */
	} cases[] = {
		{ "::", "00000000000000000000000000000000" },
		{ "::1", "00000000000000000000000000000001" },
		{ "1::", "00010000000000000000000000000000" },
		{ "fe80::aB:10", "fe8000000000000000000000" "00ab0010" },
		{ "1:2:3:4:5:6:7:8", "00010002000300040005000600070008" },
		{ "1:2:3:4:5:6:7::", "00010002000300040005000600070000" },
		{ "::2:3:4:5:6:7:8", "00000002000300040005000600070008" },
		{ "::ffff:1.2.3.255", "00000000000000000000ffff010203ff" },
		{ "1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304" },
		{ "1::3:4:5:6:7:8", "00010000000300040005000600070008" },
		{ "", NULL }, { ":", NULL }, { ":::", NULL }, { "1:", NULL }, { ":1", NULL }, { "1:::2", NULL },
		{ "1::2::3", NULL }, { "12345::", NULL }, { "g::", NULL }, { "1:2:3:4:5:6:7:8:9", NULL },
		{ "1:2:3:4:5:6:7", NULL }, { "1:2:3:4:5:6:7:8::", NULL }, { "1:2:3:4:5:6:7::8", NULL },
		{ "::1.2.3", NULL }, { "::1.2.3.4.5", NULL }, { "1:2:3:4:5:6:7:1.2.3.4", NULL }, { "::1.2.3.4:5", NULL },
		{ "::1 ", NULL }, { "::%lo", NULL }, { "1.2.3.4", NULL }, { "::1.2.3.456", NULL }, { "::01.2.3.4", NULL },
		{ "::ffff:1.2.3.4:", NULL }, { "1:2:3:4:5:1.2.3.4", NULL },
	};
	static const char *const no_ipv4[] = { "", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", "01.2.3.4", "1.2.3.256",
		"1.2.3.1000", "a.b.c.d", "1..2.3", "1.2.3.4 ", "-1.2.3.4", "::1" };
	unsigned char bytes[16];
	char text[40];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int result = inet_pton(AF_INET6, cases[i].text, bytes);
		for (size_t j = 0; j < 16; j++)
			snprintf(text + 2 * j, sizeof(text) - 2 * j, "%02x", bytes[j]);
		bool right = cases[i].bytes ? result == 1 && !strcmp(text, cases[i].bytes) : result == 0;
		if (!right)
			printf("# '%s': %d %s\n", cases[i].text, result, text);
		CHECK(right);
	}
	for (size_t i = 0; i < sizeof(no_ipv4) / sizeof(no_ipv4[0]); i++)
		CHECK_INT(inet_pton(AF_INET, no_ipv4[i], bytes), 0);
	CHECK(inet_pton(AF_INET, "0.10.200.255", bytes) == 1 && !memcmp(bytes, "\0\n\310\377", 4));
}

TEST("addresses are written in the shortest way")
{
	static const char *const texts[] = { "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:0:3:4:5:6:7:8", "1::4:0:0:7:8", "1:0:0:4::",
		"fe80::ab:10", "0:2:3:4:5:6:7:8", "1:2:3:4:5:6::" };
	unsigned char bytes[16];
	char text[64];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CHECK_INT(inet_pton(AF_INET6, texts[i], bytes), 1);
		CHECK(inet_ntop(AF_INET6, bytes, text, sizeof(text)) == text);
		if (strcmp(text, texts[i]) != 0)
			printf("# %s, not %s\n", text, texts[i]);
		CHECK(!strcmp(text, texts[i]));
	}
	CHECK(inet_ntop(AF_INET, "\177\0\0\001", text, sizeof(text)) == text && !strcmp(text, "127.0.0.1"));
}

TEST("errors have texts of their own, or at least their number")
{
	static const int known[] = { EPERM, ENOENT, ESRCH, EINTR, EIO, E2BIG, ENOEXEC, EBADF, EAGAIN, ENOMEM, EACCES, EBUSY,
		EEXIST, EXDEV, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ETXTBSY, EFBIG, ENOSPC, EROFS, EMLINK, EPIPE,
		EDEADLK, ENAMETOOLONG, ENOSYS, ENOTEMPTY, ELOOP, EPROTO, EOVERFLOW, EMSGSIZE, EOPNOTSUPP, EAFNOSUPPORT,
		EADDRINUSE, EADDRNOTAVAIL, ECONNRESET, ENOBUFS, ETIMEDOUT, ECONNREFUSED, ESTALE, EDQUOT, ECANCELED };
	char text[64];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		snprintf(text, sizeof(text), "%s", strerror(known[i]));
		CHECK(strlen(text) > 7 && !strstr(text, "rror "));
		for (size_t j = 0; j < i; j++)
			CHECK(strcmp(text, strerror(known[j])) != 0);
	}
	CHECK(!strcmp(strerror(EPERM), "Operation not permitted") && !strcmp(strerror(ENOSPC), "No space left on device"));
	CHECK(strstr(strerror(4000), "4000") != NULL);
}

TEST_MAIN()
