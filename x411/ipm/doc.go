// Package ipm decodes the contents of messages: interpersonal messages and
// notifications (ITU-T X.420 | ISO/IEC 10021-7, editions of 1984, P2, to 1999,
// P22), and what is built like them (STANAG 4406, P772). Other contents, such as
// those of X.435 and the Cryptographic Message Syntax (RFC 5652), are told by
// kind, type, size and signer.
//
// [Content.Decode] reads the octets of a content. Forwarded messages, those that
// a non-receipt notification returns and those inside signed data are decoded
// too: each is a [Message] of its own, outermost first, so that the parts of one
// message follow each other. Nothing recurs: nesting is bounded by
// [Limits.Nesting], the number of messages by [Limits.Messages].
//
// # What is refused
//
// As in package x411, a damaged field costs only itself. Each Message has its own
// status and first failure: damage inside a forwarded message leaves the one
// around it whole. Octets that are no InformationObject (X.420 7) though the
// content type says so give [x411.StatusFailed].
//
// # Memory
//
// A [Content] is reused. What it holds are slices of the octets given to Decode
// or of its arena, valid until the next Decode. In steady state Decode allocates
// nothing, but for texts in multi-octet character sets and for strings sent in
// segments that hold an encoding. An object belongs to one goroutine at a time.
//
// # Texts
//
// [BodyPart.Text] is UTF-8. Charset says what it was converted from, in the names
// of IANA where there is one: us-ascii for IA5 text, T.61, iso-8859-1 and the like for a
// general text, several separated by "+" where the text changes between them.
// Where a text cannot be converted Text is nil and Reason says why; Data has the
// octets. Line ends stand as sent. Pages of a teletex body part are separated by
// a form feed.
//
// # IPM identifier and OR-descriptor text
//
// An IPM identifier is written as RFC 2156 section 4.7.3 does within Message-ID:
// the local identifier, "*", and the text of the OR-name, empty where there is
// none. An OR-descriptor is written as in an RFC 5322 mailbox: the free-form
// name, the formal name in angle brackets and the telephone number in
// parentheses, as far as they are there.
//
// # Never kept
//
// Passwords in the access-control attribute of a file transfer body part (X.420
// Annex D) are left out of every value.
package ipm
