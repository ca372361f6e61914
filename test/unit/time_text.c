#include "../../time_text.c"

#include <time.h>

#include "test.h"

static int is(const char *text, const char *expected)
{
	if (strcmp(text, expected) == 0)
		return 1;
	printf("# %s, not %s\n", text, expected);
	return 0;
}

TEST("a time is written for JSON with and without its ms, and for HTTP")
{
	char text[TIME_TEXT_SIZE];

	time_text(text, 1709210096789);
	CHECK(is(text, "2024-02-29T12:34:56Z"));
	time_text_ms(text, 1709210096789);
	CHECK(is(text, "2024-02-29T12:34:56.789Z"));
	time_text_http(text, 1709210096789);
	CHECK(is(text, "Thu, 29 Feb 2024 12:34:56 GMT"));
	time_text_ms(text, 0);
	CHECK(is(text, "1970-01-01T00:00:00.000Z"));
	time_text_ms(text, -1);
	CHECK(is(text, "1969-12-31T23:59:59.999Z"));
}

TEST("every day of the years 1 to 9999 is the one that the C library says")
{
	static const char format[] = "%a, %d %b %Y %H:%M:%S GMT";
	int wrong = 0;

	for (int64_t day = ms_first / MS_PER_DAY; day <= ms_last / MS_PER_DAY && !wrong; day++) {
		struct date date = date_of(day * MS_PER_DAY + (day & 7) * 1000000 + 1);
		time_t seconds = (time_t)(day * 86400 + (day & 7) * 1000);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		wrong = date.year != tm.tm_year + 1900 || date.month != tm.tm_mon + 1 ||
			date.day != tm.tm_mday || date.weekday != tm.tm_wday ||
			date.hour != tm.tm_hour || date.minute != tm.tm_min ||
			date.second != tm.tm_sec || date.ms != 1;
		if (wrong || (tm.tm_mday == 1 && tm.tm_year >= -900)) {
			char ours[TIME_TEXT_SIZE], theirs[64];

			time_text_http(ours, (int64_t)seconds * 1000);
			strftime(theirs, sizeof(theirs), format, &tm);
			wrong |= !is(ours, theirs);
		}
	}
	CHECK(!wrong);
}

TEST("a time beyond the years 1 to 9999 becomes the nearest within, and fits")
{
	char text[TIME_TEXT_SIZE];

	time_text_ms(text, INT64_MAX);
	CHECK(is(text, "9999-12-31T23:59:59.999Z"));
	time_text(text, ms_last + 1);
	CHECK(is(text, "9999-12-31T23:59:59Z"));
	time_text_ms(text, INT64_MIN);
	CHECK(is(text, "0001-01-01T00:00:00.000Z"));
	time_text_http(text, INT64_MIN);
	CHECK(is(text, "Mon, 01 Jan 0001 00:00:00 GMT"));
	time_text_http(text, INT64_MAX);
	CHECK(is(text, "Fri, 31 Dec 9999 23:59:59 GMT"));
}

TEST_MAIN()
