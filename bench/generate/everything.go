package generate

import (
	"slices"

	"x400flow/bench/ledger"
)

// wholeContent is one of the contents that between them have every field of X.420,
// of STANAG 4406 and of what else contents may be.
type wholeContent struct {
	name string
	// typ is the built-in content type, or typOID the other one.
	typ    int
	typOID string
	octets []byte
}

const (
	oidContentP772 = "1.3.26.0.4406.0.4.1"
	oidContentCMS  = "1.2.840.113549.1.9.16.1.6"
)

// everyContent returns them, always the same.
func everyContent() []wholeContent {
	list := []wholeContent{
		{"heading", 22, "", asIPM(everyHeading("all", el(0xaf, headingExtensionsAll()...)), ia5Part("heading with all fields"))},
		{"heading with empty lists", 22, "", asIPM(emptyHeading(), ia5Part("heading with empty lists"))},
		{"body", 22, "", asIPM(plainHeading("body parts"), everyBodyPart()...)},
		{"extended body", 22, "", asIPM(plainHeading("extended body parts"), everyExtendedPart()...)},
		{"texts", 22, "", asIPM(plainHeading("general texts"), everyGeneralText()...)},
		{"files", 22, "", asIPM(plainHeading("files"), everyFile()...)},
		{"assembly instructions", 22, "", asIPM(plainHeading("assembly", el(0xaf,
			extensionValue("2.6.1.17.2", setOf(el(0xa0, integer(0x80, 711001), integer(0x81, 711002), integer(0x82, 711003), el(0xa3, integer(tagInteger, 711004), integer(tagInteger, 711005))))),
			extensionValue("2.6.1.8.0", seq(ia5Part("body as an attribute"))))), ia5Part("what a message store is told"))},
		{"receipt", 22, "", el(0xa1, notificationFields(el(0xa1,
			chars(0x80, "261125120102Z"), integer(0x81, 1), chars(0x82, "read and understood"),
			el(0xa3, extensionValue("1.3.6.1.4.1.99999.400.41", chars(tagIA5, "rn extension")))))...)},
		{"manual receipt", 22, "", el(0xa1, notificationFields(el(0xa1, chars(0x80, "261125120103Z"), integer(0x81, 0)))...)},
		{"other notification", 22, "", el(0xa1, notificationFields(el(0xa2, adviceAll()...))...)},
		{"military", 0, oidContentP772, asIPM(plainHeading("MILITARY MESSAGE", el(0xaf, militaryExtensions()...)), militaryParts()...)},
		{"military notification", 0, oidContentP772, el(0xa1, notificationFields(el(0xa2, extensionValue(military(16), militaryResponse())))...)},
		{"ats", 22, "", asIPM(atsHeading(), ia5Part("(FPL-INVENTED)"))},
		{"signed", 0, oidContentCMS, signedContent()},
		{"edi", 35, "", el(0xa0, el(0x31, el(0x61, chars(tagPrintable, "EDIM 1"))), el(0x30, el(0xa0, el(tagOctetString, []byte("UNB+UNOA:1+SENDER+RECEIVER'")))))},
	}
	for reason, fields := range [][]byte{
		el(0xa0, integer(0x80, 0), integer(0x81, 0)),
		el(0xa0, integer(0x80, 0), integer(0x81, 1)),
		el(0xa0, integer(0x80, 0), integer(0x81, 2)),
		el(0xa0, integer(0x80, 1), chars(0x82, "forwarded to the relief"),
			el(0xa3, plainHeading("returned"), seq(ia5Part("returned whole"))),
			el(0xa4, extensionValue("1.3.6.1.4.1.99999.400.42", chars(tagIA5, "nrn extension")))),
	} {
		list = append(list, wholeContent{"non-receipt " + string(rune('0'+reason)), 22, "", el(0xa1, notificationFields(fields)...)})
	}
	for _, p := range []int{0, 1, 2, 3, 4, 5, 16, 17, 18} {
		list = append(list, wholeContent{"precedence", 0, oidContentP772, asIPM(plainHeading("precedences", el(0xaf,
			extensionValue(military(0), integer(tagInteger, p)), extensionValue(military(1), integer(tagInteger, p)),
			extensionValue(military(2), setOf(integer(0x80, p%4), chars(0x81, "OP EXAMPLE"))))), ia5Part("precedence"))})
	}
	return list
}

func bmp(tag byte, v string) []byte {
	var e encoder
	e.universal(tag, formUniversal, v)
	return e.b
}

// using returns what write appends.
func using(write func(e *encoder)) []byte {
	var e encoder
	write(&e)
	return e.b
}

const tagGraphic, tagGeneralizedTime, tagGeneralString = 0x19, 0x18, 0x1b

// user is the OR-name of somebody with the surname.
func user(tag byte, surname string) []byte {
	return el(tag, el(tagSequence,
		el(0x61, chars(tagPrintable, "GB")), el(0x62, chars(tagPrintable, "INVENTED")), el(0xa2, chars(tagPrintable, "PRMD ONE")),
		chars(0x83, "ACME"), el(0xa5, chars(0x80, surname))))
}

func messageID(tag byte, local string) []byte {
	return el(tag, user(0x60, "Keeper"), chars(tagPrintable, local))
}

// named is the fields of an ORDescriptor.
func named(tag byte, surname string) []byte {
	return el(tag, user(0x60, surname), chars(0x80, "Free "+surname), chars(0x81, "+44 20 7946 0123"))
}

func extensionValue(typ string, value ...[]byte) []byte {
	return seq(oid(tagOID, typ), slices.Concat(value...))
}

func asIPM(heading []byte, parts ...[]byte) []byte {
	return el(0xa0, heading, seq(parts...))
}

func plainHeading(subject string, more ...[]byte) []byte {
	return setOf(messageID(0x6b, "id of "+subject), el(0xa8, chars(tagTeletex, subject)), slices.Concat(more...))
}

func ia5Part(text string) []byte {
	return el(0xa0, setOf(integer(0x80, 5)), chars(tagIA5, text))
}

func emptyHeading() []byte {
	return setOf(el(0x6b, chars(tagPrintable, "no user")), el(0xa2), el(0xa3), el(0xa4), el(0xa6), el(0xa7), el(0xaf), integer(0x8c, 0), integer(0x8d, 1))
}

// recipientOf is a RecipientSpecifier with notification requests.
func recipientOf(surname string, requests ...int) []byte {
	return setOf(named(0xa0, surname), bits(0x81, 5, requests...), yes(0x82), el(0xa3,
		extensionValue("2.6.1.20.0", none()),
		extensionValue("2.6.1.20.1", integer(tagInteger, 71)),
		extensionValue("2.6.1.18.0", bits(tagBitString, 4, 0, 1, 2, 3)),
		extensionValue(military(15), bits(tagBitString, 3, 0, 1, 2))))
}

func everyHeading(local string, extensions []byte) []byte {
	return el(tagSet,
		messageID(0x6b, "heading "+local), named(0xa0, "Originator"),
		el(0xa1, named(tagSet, "Authorizer")),
		el(0xa2, recipientOf("Primaryone", 0, 1, 2), recipientOf("Primarytwo", 3), recipientOf("Primarythree", 4)),
		el(0xa3, recipientOf("Copyone", 0, 3)), el(0xa4, recipientOf("Blindone", 1, 4)),
		messageID(0xa5, "question"), el(0xa6, messageID(0x6b, "obsoleted")), el(0xa7, messageID(0x6b, "related")),
		el(0xa8, chars(tagTeletex, t61("Alles über Köpfe"))), chars(0x89, "261225120000Z"), chars(0x8a, "261205120000Z"),
		el(0xab, named(tagSet, "Replies")), integer(0x8c, 2), integer(0x8d, 3), yes(0x8e), extensions)
}

// signatureAs is a Signature under the tag, tokenAs a MessageToken (X.411 8.5).
func signatureAs(tag byte, digest string) []byte {
	return el(tag, algorithmOf(), el(tagBitString, append([]byte{0}, digest...)))
}

func tokenAs(tag byte) []byte {
	return el(tag, oid(0x80, "2.6.3.6.0"), el(0xa1, el(tagSequence,
		seq(algorithmOf(), user(0x60, "Tokenee"), chars(tagUTCTime, "261125150000Z")), algorithmOf(), el(tagBitString, []byte("\x00token")))))
}

func signatureOf(digest string) []byte {
	return using(func(e *encoder) { e.signature([]byte(digest)) })
}

func algorithmOf() []byte { return using(func(e *encoder) { e.algorithm(tagSequence) }) }

func label(tag byte, class int, mark string) []byte {
	return using(func(e *encoder) { e.securityLabel(tag, class, mark) })
}

// assertion is a CertificateAssertion, certificates a set of ExtendedCertificate.
func assertion(tag byte) []byte { return el(tag, integer(0x80, 714711)) }

func certificates(tag byte) []byte {
	return el(tag, el(0xa0, using(func(e *encoder) { e.name("Invented CA") })))
}

// headingExtensionsAll are the heading extensions of X.420 Annex A with all their
// fields.
func headingExtensionsAll() [][]byte {
	member := func(surname string, mark []byte) []byte {
		return setOf(setOf(named(0xa0, surname)), mark)
	}
	list := [][]byte{
		extensionValue("2.6.1.5.0", none()),
		extensionValue("2.6.1.5.1", setOf(chars(tagPrintable, "en"), chars(tagPrintable, "de"), chars(tagPrintable, "fr"))),
		extensionValue("2.6.1.5.2", integer(tagEnumerated, 2)),
		extensionValue("2.6.1.5.3", el(tagSet,
			setOf(integer(tagInteger, 714711), signatureOf("sign"), assertion(0xa1), certificates(0xa0)))),
		extensionValue("2.6.1.5.4", seq(label(0xa0, 3, "CONTENT MARK"), label(0xa1, 2, "HEADING MARK"),
			el(0xa2, el(0x80, nil), label(0xa1, 1, "PART MARK")))),
		extensionValue("2.6.1.5.5", chars(tagGeneralizedTime, "20261125120304Z")),
		extensionValue("2.6.1.5.6", el(tagSequence,
			member("Circleone", none()), member("Circletwo", chars(tagGeneralizedTime, "20261125130405Z")),
			member("Circlethree", el(tagSequence,
				seq(algorithmOf(), messageID(0x6b, "circulated"), chars(tagGeneralizedTime, "20261125140506Z")),
				algorithmOf(), el(tagBitString, append([]byte{0}, "circular"...)))))),
		extensionValue("2.6.1.5.7", seq(el(tagSequence,
			oid(tagOID, "1.3.6.1.4.1.99999.400.5"), bmp(tagSet, "ALPHA"), named(0xa0, "Distributor")))),
		extensionValue("2.6.1.5.8", bmp(tagSet, "Ωmega subject")),
		extensionValue("2.6.1.5.9", seq(seq(oid(0x80, "1.3.6.1.4.1.99999.400.6"), bmp(0xa1, "Weather")))),
		extensionValue("2.6.1.5.10", seq(bmp(tagSet, "burn it"), bmp(tagSet, "file it"))),
		extensionValue("2.6.1.5.11", bmp(tagSet, "our ref 7")),
		extensionValue("2.6.1.5.12", oid(tagOID, "1.3.6.1.4.1.99999.400.7")),
	}
	// Forms that extensions must not have, but that a reader may be given.
	return append(list, extensionValue("1.3.6.1.4.1.99999.400.43"))
}

func delivered(time string) [][]byte {
	return [][]byte{chars(0x80, time), el(0xa1,
		integer(0x80, 22), user(0x60, "Sender"), el(0xa1, bits(0x80, 3, 2)), integer(0x47, 2), bits(0x82, 2, 1),
		el(0xa3, user(0x60, "Another")), user(0xa4, "Receiver"), user(0xa5, "Intended"), el(0xa6, bits(0x80, 3, 2)),
		chars(0x87, "261125110000Z"), chars(0x88, "CID 7"))}
}

func everyBodyPart() [][]byte {
	return [][]byte{
		el(0xa0, setOf(integer(0x80, 2)), chars(tagIA5, "TELEX REPERTOIRE")),
		el(0xa3, setOf(integer(0x80, 2), bits(0x81, 32, 8, 9)), seq(el(tagBitString, []byte("\x00page one")), el(tagBitString, []byte("\x00page two")))),
		el(0xa4), el(0xa4, el(tagOctetString, []byte("interchange data"))),
		el(0xa5, setOf(integer(0x80, 2), yes(0x81), el(0xa2, el(0x83, []byte("page")))), seq(chars(tagTeletex, t61("Seite eins über")), chars(tagTeletex, "Seite zwei"))),
		el(0xa6, setOf(integer(0x80, 0)), chars(0x15, "videotex ids")),
		el(0xa6, setOf(integer(0x80, 1)), chars(0x15, "videotex one")),
		el(0xa6, setOf(integer(0x80, 2)), chars(0x15, "videotex two")),
		el(0xa6, setOf(integer(0x80, 3)), chars(0x15, "videotex three")),
		el(0xa7, chars(tagIA5, "nationally defined")),
		el(0xa8, setOf(algorithmOf(), certificates(tagSet)), el(tagBitString, []byte("\x00encrypted body"))),
		el(0xa9, setOf(delivered("261125110500Z")...), seq(everyHeading("forwarded", nil), seq(ia5Part("forwarded text")))),
		el(0xab), el(0xab, el(tagOctetString, []byte("mixed data"))),
		el(0x8e, []byte("bilateral octets")),
	}
}

// extendedPart is an externally-defined body part.
func extendedPart(data string, value []byte, parameters string, parameter []byte) []byte {
	var p []byte
	if parameters != "" {
		p = el(0xa0, oid(tagOID, parameters), el(0xa0, parameter))
	}
	return el(0xaf, p, el(tagExternal, oid(tagOID, data), el(0xa0, value)))
}

func everyExtendedPart() [][]byte {
	heading := plainHeading("forwarded content")
	info := el(0xa0, heading, seq(ia5Part("content within")))
	proof := el(0xa3,
		signatureAs(0xa0, "proof of it"),
		using(func(e *encoder) { e.certificates(0xa1, 9, []byte("public key of MTA")) }),
		setOf(user(0x60, "Submitter"), integer(0x46, 22), el(0xa1, setOf(user(0x60, "Submittee"), bits(0x80, 2, 0)))))
	forwarded := func(tag byte) []byte {
		d := delivered("261125110600Z")
		return el(tag, append(d, el(0xa2, el(0x63, el(0x61, chars(tagPrintable, "GB")), el(0x62, chars(tagPrintable, "INVENTED"))), chars(tagIA5, "forwarded.id.1")), proof)...)
	}
	return [][]byte{
		extendedPart("2.6.1.4.0", chars(tagIA5, "extended ia5"), "2.6.1.11.0", setOf(integer(0x80, 5))),
		extendedPart("2.6.1.4.2", seq(el(tagBitString, []byte("\x00fax page"))), "2.6.1.11.2", setOf(integer(0x80, 1))),
		extendedPart("2.6.1.4.3", seq(el(tagOctetString, []byte("g4 data"))), "", nil),
		extendedPart("2.6.1.4.4", seq(chars(tagTeletex, "extended teletex")), "2.6.1.11.4", setOf(integer(0x80, 1))),
		extendedPart("2.6.1.4.5", chars(0x15, "extended videotex"), "2.6.1.11.5", setOf(integer(0x80, 1))),
		extendedPart("2.6.1.4.6", el(tagBitString, []byte("\x00extended secret")), "2.6.1.11.6", setOf(algorithmOf())),
		extendedPart("2.6.1.4.7", seq(heading, seq(ia5Part("extended message"))), "2.6.1.11.7", setOf(delivered("261125110700Z")...)),
		extendedPart("2.6.1.4.8", seq(el(tagOctetString, []byte("mixed mode"))), "", nil),
		extendedPart("2.6.1.4.9", el(tagOctetString, []byte("extended bilateral")), "", nil),
		extendedPart("2.6.1.4.15", setOf(notificationFields(el(0xa1, chars(0x80, "261125120104Z")))...), "2.6.1.11.15", setOf(delivered("261125110800Z")...)),
		extendedPart("2.6.1.4.16", el(tagOctetString, []byte("voice octets")), "2.6.1.11.16",
			seq(integer(0x80, 711234), oid(0x81, "2.6.1.12.1.3"), chars(0x82, "spoken slowly"))),
		extendedPart("2.6.1.4.17.2.6.1.10.1", el(tagOctetString, info), "2.6.1.11.17.2.6.1.10.1", forwarded(tagSet)),
		extendedPart("2.6.1.4.17.2.6.1.10.0", el(tagOctetString, info), "2.6.1.11.17.2.6.1.10.0", forwarded(tagSet)),
		extendedPart("2.6.1.4.17."+oidContentP772, el(tagOctetString, info), "2.6.1.11.17."+oidContentP772, forwarded(tagSet)),
		// Some leave the OCTET STRING out; so does tshark.
		extendedPart("2.6.1.4.17.2.6.1.10.1", info, "2.6.1.11.17.2.6.1.10.1", setOf(chars(0x80, "261125110900Z"))),
		extendedPart("2.6.1.4.18", signedContent(), "", nil),
		extendedPart("1.3.6.1.4.1.99999.400.44", chars(tagIA5, "not known"), "", nil),
	}
}

// everyGeneralText is texts in the character sets that are registered for it
// (X.420 Annex B, ISO 8859, JIS X 0208).
func everyGeneralText() [][]byte {
	text := func(octets string, registrations ...int) []byte {
		var set [][]byte
		for _, n := range registrations {
			set = append(set, integer(tagInteger, n))
		}
		return extendedPart("2.6.1.4.11", chars(tagGeneralString, octets), "2.6.1.11.11", setOf(set...))
	}
	return [][]byte{
		text("Latin caf\xe9", 1, 6, 100),
		text("\x1b-A\x1b.BLatin two: \xb3\xf3d\xbc", 1, 6, 101),
		text("\x1b-L\xbf\xe0\xd8\xd2\xd5\xe2 Cyrillic", 1, 6, 144),
		text("\x1b-F\xe1\xeb\xf6\xe1 Greek", 1, 6, 126),
		text("\x1b-MT\xfcrk\xe7e", 1, 6, 148),
		text("\x1b$)B\xc6\xfc\xcb\xdc Japanese", 1, 6, 87),
		text("plain only", 1, 6),
	}
}

func everyFile() [][]byte {
	part := func(text string, parameters ...[]byte) []byte {
		return extendedPart("2.6.1.4.12", seq(el(tagExternal, el(0x81, []byte(text)))), "2.6.1.11.12", seq(parameters...))
	}
	identifier := func(tag byte, names ...string) []byte {
		var list [][]byte
		for _, n := range names {
			list = append(list, chars(tagGraphic, n))
		}
		return el(tag, el(0xa1, list...))
	}
	// No password is like another, so that one that is kept is found.
	var passwords [][]byte
	for i, n := range []byte{0, 1, 2, 3, 4, 5, 6, 7} {
		p := chars(tagGraphic, "SECRET-file-"+string(rune('a'+i)))
		if i == 1 {
			p = el(tagOctetString, []byte("SECRET-file-octets"))
		}
		passwords = append(passwords, el(0xa0|n, p))
	}
	passwords = append(passwords, el(0xa8, chars(tagGraphic, "SECRET-file-pass")), el(0xa9, chars(tagGraphic, "SECRET-file-link")))
	key := func(n byte) []byte { return bits(0x80|n, 4, 1) }
	access := seq(bits(0x80, 8, 0, 1, 2, 3, 4, 5, 6, 7),
		el(0xa1, key(0), key(1), key(2), key(3), key(4), key(5), key(6), key(7)),
		chars(0x82, "file reader"), el(0xa3, passwords...),
		el(0xa4, oid(tagOID, "1.3.6.1.4.1.99999.400.45"), integer(tagInteger, 714242)))
	at := func(n byte, time string) []byte { return el(0xa0|n, chars(0x81, time)) }
	who := func(n byte, name string) []byte { return el(0xa0|n, chars(tagGraphic, name)) }
	attributes := el(0xa4,
		el(0xa0, chars(tagGraphic, "dir"), chars(tagGraphic, "whole.txt")),
		bits(0x81, 8, 0, 5), who(3, "account 17"),
		at(4, "20261101080000Z"), at(5, "20261102080000Z"), at(6, "20261103080000Z"), at(7, "20261104080000Z"),
		who(8, "creator"), who(9, "modifier"), who(10, "reader"), who(11, "changer"),
		el(0xac, integer(0x81, 1)), el(0xad, integer(0x81, 54321)), el(0xae, integer(0x81, 65432)),
		el(0xaf, el(0xa1, access)), el(0xb0, chars(0x81, "qualified")),
		el(0xb1, el(0xa2, oid(tagOID, "1.3.6.1.4.1.99999.400.46"), el(0x81, []byte("private use")))),
		el(0xb6, seq(oid(0x80, "1.3.6.1.4.1.99999.400.47"), el(0xa1, seq(seq(oid(tagOID, "1.3.6.1.4.1.99999.400.55"), none()))))))
	nothing := func(n byte) []byte { return el(0xa0|n, el(0x80, nil)) }
	return [][]byte{
		part("all parameters",
			el(0xa0,
				seq(el(0xa0, el(0xa0, el(0xa0, chars(tagGraphic, "stored"), chars(tagGraphic, "file"))), chars(0x81, "version four")), integer(0x80, 2)),
				seq(el(0xa1, el(0x80, []byte("crossref")), el(0xa1, user(0xa0, "Storer"), chars(0x81, "stored message")), integer(0x82, 714321)), chars(0x81, "describes it"))),
			el(0xa1, el(0xa0, oid(tagOID, "1.0.8571.5.3"))),
			el(0xa2, el(0xa0, oid(0x80, "1.3.6.1.4.1.99999.400.48")), identifier(0xa1, "machine", "model"), oid(0x82, "1.3.6.1.4.1.99999.400.49"),
				el(0xa3, chars(tagGraphic, "seen by users"))),
			el(0xa3, oid(0x80, "1.3.6.1.4.1.99999.400.50"), el(0xa1, none())),
			attributes,
			el(0xa5, extensionValue("1.3.6.1.4.1.99999.400.51", chars(tagIA5, "file extension")))),
		part("another environment",
			el(0xa1, el(0xa1, oid(tagOID, "1.0.8571.4.1"), oid(tagOID, "1.0.8571.3.1"))),
			el(0xa2, identifier(0xa0, "an editor"), el(0xa1, oid(0x80, "1.3.6.1.4.1.99999.400.52"))),
			el(0xa4, el(0xb7, chars(tagGraphic, "complete.txt")), nothing(3), nothing(4), nothing(8), nothing(12), nothing(13), nothing(15), nothing(16), nothing(17))),
		part("unstructured text", el(0xa1, el(0xa0, oid(tagOID, "1.0.8571.5.1"))), el(0xa4, el(0xa0, chars(tagGraphic, "text.txt")))),
	}
}

// notificationFields are the common fields of a notification and its choice.
func notificationFields(choice []byte) [][]byte {
	response := el(tagSet,
		setOf(signatureAs(0xa0, "integrity"), signatureAs(0xa1, "authentic"), tokenAs(0xa2)),
		integer(tagInteger, 6))
	return [][]byte{messageID(0x6b, "subject message"), named(0xa1, "Notifier"), named(0xa2, "Meant"), el(0x65, bits(0x80, 3, 2)),
		el(0xa3, extensionValue("2.6.1.18.1", response),
			extensionValue("2.6.1.18.1", setOf(el(tagOctetString, []byte("original content")), integer(tagInteger, 32)))),
		el(0xa0, choice)}
}

func adviceAll() [][]byte {
	return [][]byte{
		extensionValue("2.6.1.19.0", seq(el(0xa0, setOf(integer(0x80, 5)), chars(tagIA5, "away for long")), chars(tagUTCTime, "261201080000Z"))),
		extensionValue("2.6.1.19.1", seq(named(0xa0, "Newplace"), chars(0x81, "261202080000Z"))),
	}
}

func military(n int) string { return "1.3.26.0.4406.0.2." + string(appendDecimal(nil, n)) }

func appendDecimal(b []byte, n int) []byte {
	if n >= 10 {
		b = append(b, byte('0'+n/10))
	}
	return append(b, byte('0'+n%10))
}

// addressList is an AddressListDesignator (STANAG 4406 Annex A).
func addressList(typ int, name string) []byte {
	return setOf(integer(0x80, typ), named(0xa1, name), integer(0x82, typ), integer(0x83, 2))
}

func militaryExtensions() [][]byte {
	instructions := func(lines ...string) []byte {
		var list [][]byte
		for _, s := range lines {
			list = append(list, chars(tagPrintable, s))
		}
		return seq(list...)
	}
	labels := seq(label(0xa0, 3, "MILITARY CONTENT"), label(0xa1, 2, "MILITARY HEADING"),
		el(0xa2, setOf(label(0xa0, 1, "MILITARY PART"), integer(0x81, 714712))))
	return [][]byte{
		extensionValue(military(0), integer(tagInteger, 4)), extensionValue(military(1), integer(tagInteger, 1)),
		extensionValue(military(2), setOf(integer(0x80, 0), chars(0x81, "EXERCISE ONE"))),
		extensionValue(military(3), seq(addressList(0, "Listone"), addressList(1, "Listtwo"))),
		extensionValue(military(4), seq(named(tagSet, "Exempted"))),
		extensionValue(military(5), chars(tagUTCTime, "261125090000Z")),
		extensionValue(military(6), setOf(el(0xa0, chars(tagPrintable, "SIC1"), chars(tagPrintable, "ABCDEF")),
			el(0xa1, seq(oid(tagOID, "1.3.6.1.4.1.99999.400.54"), chars(tagPrintable, "EXTRA CODE"))))),
		extensionValue(military(7), instructions("HANDLE ONE", "HANDLE TWO")),
		extensionValue(military(8), instructions("INSTRUCT ONE", "INSTRUCT TWO")),
		extensionValue(military(9), integer(tagInteger, 711042)),
		extensionValue(military(10), chars(tagPrintable, "ORIG REF 9")),
		extensionValue(military(11), seq(setOf(integer(0x80, 0), chars(0x81, "OTHERONE")), setOf(integer(0x80, 1), chars(0x81, "OTHERTWO")))),
		extensionValue(military(12), seq(seq(integer(0x80, 3), el(0xa1, named(tagSet, "Pilot")),
			label(0xa2, 1, "PILOT MARK"), el(0xa3, chars(tagPrintable, "PILOT HANDLING"))))),
		extensionValue(military(13), chars(tagPrintable, "ACP IDENT 5")),
		extensionValue(military(14), chars(tagPrintable, "PLAD INVENTED")),
		extensionValue(military(17), labels),
		extensionValue("1.3.26.0.4406.0.8.0", integer(tagEnumerated, 0)), extensionValue("1.3.26.0.4406.0.8.0", integer(tagEnumerated, 1)),
	}
}

func militaryResponse() []byte {
	return setOf(bits(0x80, 3, 0, 1, 2), chars(0x81, "261125100000Z"), el(0xa2, addressList(0, "Listthree")),
		chars(0x83, "ACP RECIPIENT"), chars(0x84, "ACP SUPPLEMENT"))
}

func militaryParts() [][]byte {
	part := func(n string, value []byte, p string, parameter []byte) []byte {
		return extendedPart("1.3.26.0.4406.0.7."+n, value, "1.3.26.0.4406.0.7."+p, parameter)
	}
	mm := seq(plainHeading("MM WITHIN"), seq(ia5Part("military text within")))
	return [][]byte{
		ia5Part("MILITARY TEXT"),
		part("0", chars(0x80, "LINE ORIENTED//"), "2", integer(tagInteger, 711001)),
		part("0", el(0xa1, chars(tagIA5, "SET ONE//"), chars(tagIA5, "SET TWO//")), "2", integer(tagInteger, 711002)),
		part("1", chars(tagIA5, "CORRECTION TEXT"), "3", integer(tagInteger, 711003)),
		part("6", el(tagBitString, []byte("\x00forwarded secret")), "7", setOf(delivered("261125111000Z")...)),
		part("9", mm, "10", setOf(delivered("261125111100Z")...)),
		part("12", chars(tagIA5, "ACP TEXT"), "13", integer(tagInteger, 711004)),
		extendedPart("2.6.1.4.17."+oidContentP772, el(0xa0, mm[2:]), "2.6.1.11.17."+oidContentP772, setOf(delivered("261125111300Z")...)),
		extendedPart("2.6.1.4.17."+oidContentP772, el(0xa1, notificationFields(el(0xa1, chars(0x80, "261125120105Z")))...), "", nil),
		extendedPart("2.6.1.4.17."+oidContentP772, el(tagOctetString, el(0xa0, mm[2:])), "2.6.1.11.17."+oidContentP772, setOf(delivered("261125111200Z")...)),
	}
}

// aftn is the OR-name of an aeronautical station (ICAO Doc 9880 Part II): in XF
// form the O is AFTN, in CAAS form the CN is the AF-address.
func aftn(tag byte, af string, caas bool) []byte {
	std := [][]byte{el(0x61, chars(tagPrintable, "XX")), el(0x62, chars(tagPrintable, "ICAO"))}
	if !caas {
		std = append(std, el(0xa2, chars(tagPrintable, af[:2])), chars(0x83, "AFTN"), el(0xa6, chars(tagPrintable, af)))
		return el(tag, seq(std...))
	}
	std = append(std, el(0xa2, chars(tagPrintable, af[:2])), chars(0x83, "REGION"), el(0xa6, chars(tagPrintable, af[:4])))
	return el(tag, seq(std...), setOf(seq(integer(0x80, 1), el(0xa1, chars(tagPrintable, af)))))
}

func atsHeading() []byte {
	to := func(af string, caas bool) []byte {
		return setOf(el(0xa0, aftn(0x60, af, caas)), el(0xa3, extensionValue("2.6.1.20.1", integer(tagInteger, 57))))
	}
	return setOf(el(0x6b, aftn(0x60, "EGLLZTZX", false), chars(tagPrintable, "ats 1")), el(0xa0, aftn(0x60, "EGLLZTZX", false)),
		el(0xa2, to("LFPOYFYX", true), to("EDDFYFYX", false)), el(0xaf,
			extensionValue("2.6.1.5.5", chars(tagGeneralizedTime, "20261125201500Z")),
			extensionValue("2.6.1.5.11", bmp(tagSet, "INVENTED OHI")),
			extensionValue("2.6.1.5.12", oid(tagOID, "1.3.27.8.0.0"))))
}

// signedContent is a ContentInfo of signed data with one signer (RFC 5652 5).
func signedContent() []byte {
	inside := seq(oid(tagOID, "1.2.840.113549.1.7.1"), el(0xa0, el(tagOctetString, []byte("signed octets"))))
	signer := seq(integer(tagInteger, 1), seq(using(func(e *encoder) { e.name("a signer") }), integer(tagInteger, 42)),
		algorithmOf(), algorithmOf(), el(tagOctetString, []byte("signature octets")))
	return seq(oid(tagOID, "1.2.840.113549.1.7.2"), el(0xa0,
		seq(integer(tagInteger, 1), setOf(), inside, setOf(signer))))
}

// carry makes m carry x in place of its own content.
func (m *message) carry(x *wholeContent) {
	m.kind, m.typ, m.typOID = ledger.KindMessage, x.typ, x.typOID
	m.content.kind, m.content.whole = contentWhole, x.octets
}
