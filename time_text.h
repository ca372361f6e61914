/* time_text.h - a time as text, in UTC: for JSON and the log (RFC 3339), and for HTTP (RFC 9110)
 *
 * In place of gmtime() and strftime(), which bring time zones and locales into the program. */
#ifndef TIME_TEXT_H
#define TIME_TEXT_H

#include <stdint.h>

enum { TIME_TEXT_SIZE = 32 };	/* with its NUL */

/* Times are ms since 1970. What is not in the years 1 to 9999 becomes the nearest that is: a file's
 * time is whatever its owner wanted. */
void time_text(char text[TIME_TEXT_SIZE], int64_t ms);		/* 2024-02-29T12:34:56Z */
void time_text_ms(char text[TIME_TEXT_SIZE], int64_t ms);	/* 2024-02-29T12:34:56.789Z */
void time_text_http(char text[TIME_TEXT_SIZE], int64_t ms);	/* Thu, 29 Feb 2024 12:34:56 GMT */

/* Thousandths of something, for "%llu.%03llu": a double would need its registers kept by whatever is like printf. */
#define THOUSANDTHS(n) ((unsigned long long)(n) / 1000), ((unsigned long long)(n) % 1000)

#endif
