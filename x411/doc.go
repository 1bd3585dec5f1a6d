// Package x411 decodes what message transfer agents say to each other and to
// their users (ITU-T X.411 | ISO/IEC 10021-4, editions of 1984 to 1999; X.413):
// the MTS-APDUs message, report and probe, the binds, the arguments, results and
// errors of MTS access and MS access, and the OR-names in them.
//
// [APDU.Decode] reads what RTSE delivered: the EXTERNAL of normal mode, or the
// bare MTS-APDU of X.410-1984 mode. [Bind.Decode] reads an MTA bind argument,
// result or error, and [AppendCredentials] finds the octets of a bind that must
// not be published.
//
// [APDU.DecodeArgument] reads what a submission, a delivery or a fetch carries
// into the same fields, and [Parameter] what other arguments, results and errors
// say; [OperationOf] tells operations by their codes, and
// [AppendArgumentCredentials] finds the octets of an argument that must not be
// published. [Values] lends the readers of X.411's types to decoders of contents.
//
// # What is refused
//
// Octets that are no MTS-APDU, or one whose identifier and length octets do not
// agree with what was delivered, give StatusFailed. Within an MTS-APDU a damaged
// field costs only itself: the rest is read, the status is StatusPartial, and
// the first failure is told with its path and offset. Fields that no edition
// defines are counted, the first one's path is kept, and the status stays
// StatusOK. DER is not asked for, nor are the upper bounds of X.411 Annex B; the
// bounds that do apply are those of [Limits].
//
// # Memory
//
// An [APDU] and a [Bind] are reused: Decode overwrites everything. Each []byte
// that they hold is either a slice of the octets handed to Decode or of an arena
// that they own. Both are valid until the next Decode of the same object, and
// only as long as the input is not changed. Who keeps a value longer copies it.
// In steady state Decode allocates nothing. An object belongs to one goroutine
// at a time; different ones share nothing, unless they are given one [NameCache].
//
// # OR-address text
//
// The text of an OR-address, [ORName.Text], is "/" and then, for each attribute
// that is present, label, "=", value, "/". An empty address has an empty text.
// The order is fixed:
//
//	C ADMD PRMD X121 T-ID O OU1 OU2 OU3 OU4 CN S G I GQ N-ID T-TY
//	PD-PN PD-O PD-STREET PD-BOX PD-RESTANTE PD-UNIQUE PD-LOCAL PD-ADDRESS
//	PD-OFFICE PD-OFFICE-NUM PD-CODE PD-C PD-EXT-ADDRESS PD-EXT-DELIVERY
//	PD-SERVICE NET-NUM NET-SUB NET-PSAP DDA:type DN
//
// The labels are those of RFC 2156 section 4.2, with N-ID rather than UA-ID for
// the numeric user identifier. An attribute that is present with an empty value is written: EAN of
// 1985 sends "/C=/ADMD=/PRMD=uk/". Values stand as sent, leading, trailing and
// repeated spaces included.
//
// Escaping: "/" and "\" inside a value are preceded by "\"; in the type of a
// domain-defined attribute "=" is, too. A control character (below U+0020, or
// U+007F) is written as a space.
//
// Where an attribute comes in several forms the text takes the printable or
// numeric one; without it the teletex one; without that the universal one. The
// built-in organizational-unit-names give OU1 (the most significant) to OU4;
// where teletex or universal unit names come beside them, the choice is made
// for each position. Forms of which the fields tell nothing are in [ORAddress.Attributes].
//
// Terminal type is written by name (X.411 Figure 2: telex, teletex,
// g3-facsimile, g4-facsimile, ia5-terminal, videotex), else as a decimal number.
// Lines of an unformatted postal address are joined by "|", a teletex or
// universal address stands as it is. A PSAP address is written as
// "p-selector.s-selector.t-selector+nsap.nsap" with each part in upper-case
// hexadecimal digits. Domain-defined attributes stand in the order sent,
// built-in ones first, then teletex, then universal ones; a teletex or universal
// one whose type repeats an earlier one's is left out of the text.
//
// A directory name is written as RFC 2253 does, most specific RDN first:
// "DN=CN=Ann Smith,O=Y,C=GB", where "," "+" """ "\" "<" ">" ";" inside an
// attribute value, and a leading "#" or space or trailing space, are preceded by
// "\" (and then each "/" and "\" of the whole by the rule above). Attribute types
// are CN SN SERIALNUMBER C L ST STREET O OU T and so on, else the OID in dotted
// form; a value that is no character string is "#" and the hexadecimal digits of
// its encoding.
//
// # Match key
//
// [ORName.Key] has the same layout folded for comparison (X.402 clause 18):
// labels and values in lower case, leading and trailing spaces removed, runs of
// spaces one. A numeric country code that X.121 assigns to one country is written as the
// ISO 3166 alpha-2 code, an ADMD of spaces is empty. Control characters count as
// spaces.
//
// # MTS identifier text
//
// [MTSIdentifier.Text] is the text form of RFC 2156 section 4.7:
// "[/PRMD=TestGamma/ADMD=AMHS/C=XX/;r1.000001]". PRMD is left out where it is
// absent; ADMD and C are always written, with empty values if they are empty.
// In PRMD, ADMD and C "/", "=" and "$" are preceded by "$" (RFC 2156 section
// 4.2, std-pair). The local identifier stands as sent.
//
// # Extension values
//
// The value of an extension is text: the standard's name of a code (the number
// where it has none), the text of an OR-name, a time as RFC 3339 writes it, or
// items "name=value" separated by "; ". Values whose type is not known are
// written in ASN.1 value notation. Opaque octets are hexadecimal, at most 64 of
// them; encrypted data are told by size alone.
package x411
