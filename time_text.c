/* time_text.c - a time as text, in UTC
 *
 * Knows the Gregorian calendar and nothing else. A year is counted here from March on, so that the
 * leap day is its last one, and from a March of the year 0: then all is division. */
#include "time_text.h"

#include <stdio.h>

enum {
	MS_PER_DAY = 86400000,
	DAYS_TO_1970 = 719468,	/* from 1 March of the year 0 */
	DAYS_PER_4_CENTURIES = 146097,
	DAYS_PER_4_YEARS = 1461,
	DAYS_PER_5_MONTHS = 153,	/* of 31, 30, 31, 30 and 31, from March and from August on */
};
static const int64_t ms_first = -62135596800000;	/* 0001-01-01T00:00:00 */
static const int64_t ms_last = 253402300799999;		/* 9999-12-31T23:59:59.999 */

struct date {
	int year, month, day;	/* month and day from 1 on */
	int weekday;		/* 0: Sunday */
	int hour, minute, second, ms;
};

static struct date date_of(int64_t ms)
{
	struct date date;

	ms = ms < ms_first ? ms_first : ms > ms_last ? ms_last : ms;
	ms += (int64_t)DAYS_TO_1970 * MS_PER_DAY;
	int days = (int)(ms / MS_PER_DAY), rest = (int)(ms % MS_PER_DAY);
	date.weekday = (days + 3) % 7;
	int century = (4 * days + 3) / DAYS_PER_4_CENTURIES;
	days -= century * DAYS_PER_4_CENTURIES / 4;
	int year = (4 * days + 3) / DAYS_PER_4_YEARS;
	days -= year * DAYS_PER_4_YEARS / 4;
	int month = (5 * days + 2) / DAYS_PER_5_MONTHS;
	date.day = days - (month * DAYS_PER_5_MONTHS + 2) / 5 + 1;
	date.month = month < 10 ? month + 3 : month - 9;
	date.year = century * 100 + year + (month >= 10);
	date.hour = rest / 3600000;
	date.minute = rest / 60000 % 60;
	date.second = rest / 1000 % 60;
	date.ms = rest % 1000;
	return date;
}

/* A number of so many digits, and what follows it. (No printf: a list of sessions has thirty thousand times.) */
static char *put(char *at, int value, int digits, char next)
{
	for (int i = digits; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	at[digits] = next;
	return at + digits + 1;
}

static char *put_date(char *at, const struct date *date, char end)
{
	at = put(put(put(at, date->year, 4, '-'), date->month, 2, '-'), date->day, 2, 'T');
	return put(put(put(at, date->hour, 2, ':'), date->minute, 2, ':'), date->second, 2, end);
}

void time_text(char text[TIME_TEXT_SIZE], int64_t ms)
{
	struct date date = date_of(ms);

	*put_date(text, &date, 'Z') = '\0';
}

void time_text_ms(char text[TIME_TEXT_SIZE], int64_t ms)
{
	struct date date = date_of(ms);

	*put(put_date(text, &date, '.'), date.ms, 3, 'Z') = '\0';
}

void time_text_http(char text[TIME_TEXT_SIZE], int64_t ms)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct date date = date_of(ms);

	snprintf(text, TIME_TEXT_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[date.weekday],
		 date.day, months[date.month - 1], date.year, date.hour, date.minute, date.second);
}
