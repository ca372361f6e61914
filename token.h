/* token.h - bearer tokens: only their SHA-256 digests are kept, and compared in constant time */
#ifndef TOKEN_H
#define TOKEN_H

#include "buf.h"
#include "message.h"

enum { TOKEN_MAX = 4096, TOKEN_FILE_MAX = 256 << 10 };

/* SHA-256 (FIPS 180-4). */
void token_digest(struct str token, uint8_t digest[DIGEST_LEN]);
/* Adds a token; surrounding white space is not part of it. -EINVAL: empty, too long, or not visible ASCII; -ENOSPC: too many. */
int token_add(struct message_tokens *tokens, struct str token);
/* Adds one token a line of a file; empty lines and lines that begin with '#' are skipped. The text is wiped from memory. */
int token_read(int fd, struct message_tokens *tokens);
/* Whether a presented token is one of them: the time taken depends on their number alone. */
bool token_known(const struct message_tokens *tokens, struct str presented);

#endif
