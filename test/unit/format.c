/* needs: */
/* format.c's tests: what it writes is what the C library's vsnprintf writes */
#include "../../format.c"

#include <stdio.h>
#include <sys/types.h>

#include "test.h"

static char ours[256], theirs[256];

__attribute__((format(printf, 2, 3)))
static void both(size_t size, const char *format, ...)
{
	va_list arguments, again;

	va_start(arguments, format);
	va_copy(again, arguments);
	memset(ours, 'x', sizeof(ours));
	memset(theirs, 'x', sizeof(theirs));
	int n = format_text(ours, size, format, arguments), expected = vsnprintf(theirs, size, format, again);
	va_end(again);
	va_end(arguments);
	if (n != expected || memcmp(ours, theirs, sizeof(ours)) != 0)
		printf("# %s: %d '%.*s', not %d '%.*s'\n", format, n, (int)size, ours, expected, (int)size, theirs);
	CHECK_INT(n, expected);
	CHECK(memcmp(ours, theirs, sizeof(ours)) == 0);
}

/* Without the compiler's look at the format. */
static int one(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int n = format_text(ours, sizeof(ours), format, arguments);
#pragma GCC diagnostic pop
	va_end(arguments);
	return n;
}

#define BOTH(...) both(sizeof(ours), __VA_ARGS__)

TEST("whole numbers of every length and sign are written as the C library does")
{
	static const long long values[] = { 0, 1, -1, 7, 42, -99, 255, 65536, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		long long value = values[i];
		BOTH("%d|%i|%u|%x|%X|%o", (int)value, (int)value, (unsigned)value, (unsigned)value, (unsigned)value,
		    (unsigned)value);
		BOTH("%lld|%llu|%llx|%ld|%lu|%lx", value, (unsigned long long)value, (unsigned long long)value,
		    (long)value, (unsigned long)value, (unsigned long)value);
		BOTH("%zu|%zx|%zd|%jd|%ju|%td", (size_t)value, (size_t)value, (ssize_t)value, (intmax_t)value,
		    (uintmax_t)value, (ptrdiff_t)value);
		BOTH("%hhd|%hhu|%hd|%hu", (signed char)value, (unsigned char)value, (short)value,
		    (unsigned short)value);
		BOTH("%5d|%-5d|%05d|%02d|%*d|%-*u|", (int)value, (int)value, (int)value, (int)value, 12, (int)value, 12,
		    (unsigned)value);
		BOTH("%02x%02X %04o %010llu", (unsigned)value & 0xff, (unsigned)value & 0xff, (unsigned)value & 0777,
		    (unsigned long long)value);
	}
	BOTH("%*d|", -6, 42);
}

TEST("texts and characters are written as the C library does")
{
	BOTH("%s", "");
	BOTH("plain");
	BOTH("100%%");
	BOTH("%s and %s%c", "one", "two", '!');
	BOTH("%10s|%-10s|%.2s|%10.2s|%-10.2s|", "abc", "abc", "abc", "abc", "abc");
	BOTH("%.*s|%*s|%-*s|", 2, "abc", 5, "abc", 5, "abc");
	BOTH("%.*s|%.0s|%.s", -1, "all of it", "none", "none");
	BOTH("%.3s", (const char[3]){ 'n', 'o', 'n' });	/* without an end */
	BOTH("%c%c", 'a', 'b');
	BOTH("%-26s %s", "--option", "its help");
}

TEST("thousandths are written as the C library does")
{
	static const unsigned long long values[] = { 0, 1, 250, 999, 1000, 1500, 59999, 3600000, 123456789012 };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		BOTH("%llu.%03llu|%4llu.%03llu", values[i] / 1000, values[i] % 1000, values[i] / 1000, values[i] % 1000);
}

TEST("a text that does not fit is cut, ended, and counted as a whole")
{
	for (size_t size = 0; size < 20; size++) {
		both(size, "%s", "0123456789");
		both(size, "%d-%d", 12345, 678);
		both(size, "%15d", 12345);
		both(size, "%-15s|", "abc");
		both(size, "no conversion");
	}
}

TEST("what is no format of ours is shown as it is written")
{
	static const struct { const char *format, *text; } odd[] = {
		{ "%e", "%e" }, { "%f", "%f" }, { "a%", "a%" }, { "%10Q.", "%10Q." }, { "%", "%" }, { "%l", "%l" },
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		int n = one(odd[i].format);
		CHECK(strcmp(ours, odd[i].text) == 0);
		CHECK_INT(n, strlen(odd[i].text));
	}
}

TEST_MAIN()
