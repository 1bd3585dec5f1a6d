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
		{"heading", 22, "", asIPM(everyHeading("all", con(0xaf, headingExtensionsAll()...)), ia5Part("heading with all fields"))},
		{"heading with empty lists", 22, "", asIPM(emptyHeading(), ia5Part("heading with empty lists"))},
		{"body", 22, "", asIPM(plainHeading("body parts"), everyBodyPart()...)},
		{"extended body", 22, "", asIPM(plainHeading("extended body parts"), everyExtendedPart()...)},
		{"texts", 22, "", asIPM(plainHeading("general texts"), everyGeneralText()...)},
		{"files", 22, "", asIPM(plainHeading("files"), everyFile()...)},
		{"assembly instructions", 22, "", asIPM(plainHeading("assembly", con(0xaf,
			extensionValue("2.6.1.17.2", con(tagSet, con(0xa0, num(0x80, 711001), num(0x81, 711002), num(0x82, 711003), con(0xa3, num(tagInteger, 711004), num(tagInteger, 711005))))),
			extensionValue("2.6.1.8.0", con(tagSequence, ia5Part("body as an attribute"))))), ia5Part("what a message store is told"))},
		{"receipt", 22, "", con(0xa1, notificationFields(con(0xa1,
			str(0x80, "261125120102Z"), num(0x81, 1), str(0x82, "read and understood"),
			con(0xa3, extensionValue("1.3.6.1.4.1.99999.400.41", str(tagIA5, "rn extension")))))...)},
		{"manual receipt", 22, "", con(0xa1, notificationFields(con(0xa1, str(0x80, "261125120103Z"), num(0x81, 0)))...)},
		{"other notification", 22, "", con(0xa1, notificationFields(con(0xa2, adviceAll()...))...)},
		{"military", 0, oidContentP772, asIPM(plainHeading("MILITARY MESSAGE", con(0xaf, militaryExtensions()...)), militaryParts()...)},
		{"military notification", 0, oidContentP772, con(0xa1, notificationFields(con(0xa2, extensionValue(military(16), militaryResponse())))...)},
		{"ats", 22, "", asIPM(atsHeading(), ia5Part("(FPL-INVENTED)"))},
		{"signed", 0, oidContentCMS, signedContent()},
		{"edi", 35, "", con(0xa0, con(0x31, con(0x61, str(tagPrintable, "EDIM 1"))), con(0x30, con(0xa0, prim(tagOctetString, []byte("UNB+UNOA:1+SENDER+RECEIVER'")))))},
	}
	for reason, fields := range [][]byte{
		con(0xa0, num(0x80, 0), num(0x81, 0)),
		con(0xa0, num(0x80, 0), num(0x81, 1)),
		con(0xa0, num(0x80, 0), num(0x81, 2)),
		con(0xa0, num(0x80, 1), str(0x82, "forwarded to the relief"),
			con(0xa3, plainHeading("returned"), con(tagSequence, ia5Part("returned whole"))),
			con(0xa4, extensionValue("1.3.6.1.4.1.99999.400.42", str(tagIA5, "nrn extension")))),
	} {
		list = append(list, wholeContent{"non-receipt " + string(rune('0'+reason)), 22, "", con(0xa1, notificationFields(fields)...)})
	}
	for _, p := range []int{0, 1, 2, 3, 4, 5, 16, 17, 18} {
		list = append(list, wholeContent{"precedence", 0, oidContentP772, asIPM(plainHeading("precedences", con(0xaf,
			extensionValue(military(0), num(tagInteger, p)), extensionValue(military(1), num(tagInteger, p)),
			extensionValue(military(2), con(tagSet, num(0x80, p%4), str(0x81, "OP EXAMPLE"))))), ia5Part("precedence"))})
	}
	return list
}

// The elements of BER in the minimal definite form.

func prim(tag byte, v []byte) []byte {
	var e encoder
	e.primitive(tag, v)
	return e.b
}

func str(tag byte, v string) []byte { return prim(tag, []byte(v)) }

func con(tag byte, members ...[]byte) []byte { return prim(tag, slices.Concat(members...)) }

func num(tag byte, v int) []byte {
	var e encoder
	e.integer(tag, v)
	return e.b
}

func bits(tag byte, size int, set ...int) []byte {
	var e encoder
	e.bits(tag, size, set...)
	return e.b
}

func object(tag byte, dotted string) []byte {
	var e encoder
	e.oid(tag, dotted)
	return e.b
}

func truth(tag byte) []byte { return prim(tag, []byte{0xff}) }

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
	return con(tag, con(tagSequence,
		con(0x61, str(tagPrintable, "GB")), con(0x62, str(tagPrintable, "INVENTED")), con(0xa2, str(tagPrintable, "PRMD ONE")),
		str(0x83, "ACME"), con(0xa5, str(0x80, surname))))
}

func messageID(tag byte, local string) []byte {
	return con(tag, user(0x60, "Keeper"), str(tagPrintable, local))
}

// named is the fields of an ORDescriptor.
func named(tag byte, surname string) []byte {
	return con(tag, user(0x60, surname), str(0x80, "Free "+surname), str(0x81, "+44 20 7946 0123"))
}

func extensionValue(oid string, value ...[]byte) []byte {
	return con(tagSequence, object(tagOID, oid), slices.Concat(value...))
}

func asIPM(heading []byte, parts ...[]byte) []byte {
	return con(0xa0, heading, con(tagSequence, parts...))
}

func plainHeading(subject string, more ...[]byte) []byte {
	return con(tagSet, messageID(0x6b, "id of "+subject), con(0xa8, str(tagTeletex, subject)), slices.Concat(more...))
}

func ia5Part(text string) []byte {
	return con(0xa0, con(tagSet, num(0x80, 5)), str(tagIA5, text))
}

func emptyHeading() []byte {
	return con(tagSet, con(0x6b, str(tagPrintable, "no user")), con(0xa2), con(0xa3), con(0xa4), con(0xa6), con(0xa7), con(0xaf), num(0x8c, 0), num(0x8d, 1))
}

// recipientOf is a RecipientSpecifier with notification requests.
func recipientOf(surname string, requests ...int) []byte {
	return con(tagSet, named(0xa0, surname), bits(0x81, 5, requests...), truth(0x82), con(0xa3,
		extensionValue("2.6.1.20.0", prim(tagNull, nil)),
		extensionValue("2.6.1.20.1", num(tagInteger, 71)),
		extensionValue("2.6.1.18.0", bits(tagBitString, 4, 0, 1, 2, 3)),
		extensionValue(military(15), bits(tagBitString, 3, 0, 1, 2))))
}

func everyHeading(local string, extensions []byte) []byte {
	return con(tagSet,
		messageID(0x6b, "heading "+local), named(0xa0, "Originator"),
		con(0xa1, named(tagSet, "Authorizer")),
		con(0xa2, recipientOf("Primaryone", 0, 1, 2), recipientOf("Primarytwo", 3), recipientOf("Primarythree", 4)),
		con(0xa3, recipientOf("Copyone", 0, 3)), con(0xa4, recipientOf("Blindone", 1, 4)),
		messageID(0xa5, "question"), con(0xa6, messageID(0x6b, "obsoleted")), con(0xa7, messageID(0x6b, "related")),
		con(0xa8, str(tagTeletex, t61("Alles über Köpfe"))), str(0x89, "261225120000Z"), str(0x8a, "261205120000Z"),
		con(0xab, named(tagSet, "Replies")), num(0x8c, 2), num(0x8d, 3), truth(0x8e), extensions)
}

// signatureAs is a Signature under the tag, tokenAs a MessageToken (X.411 8.5).
func signatureAs(tag byte, digest string) []byte {
	return con(tag, algorithmOf(), prim(tagBitString, append([]byte{0}, digest...)))
}

func tokenAs(tag byte) []byte {
	return con(tag, object(0x80, "2.6.3.6.0"), con(0xa1, con(tagSequence,
		con(tagSequence, algorithmOf(), user(0x60, "Tokenee"), str(tagUTCTime, "261125150000Z")), algorithmOf(), prim(tagBitString, []byte("\x00token")))))
}

func signatureOf(digest string) []byte {
	return using(func(e *encoder) { e.signature([]byte(digest)) })
}

func algorithmOf() []byte { return using(func(e *encoder) { e.algorithm(tagSequence) }) }

func label(tag byte, class int, mark string) []byte {
	return using(func(e *encoder) { e.securityLabel(tag, class, mark) })
}

// assertion is a CertificateAssertion, certificates a set of ExtendedCertificate.
func assertion(tag byte) []byte { return con(tag, num(0x80, 714711)) }

func certificates(tag byte) []byte {
	return con(tag, con(0xa0, using(func(e *encoder) { e.name("Invented CA") })))
}

// headingExtensionsAll are the heading extensions of X.420 Annex A with all their
// fields.
func headingExtensionsAll() [][]byte {
	member := func(surname string, mark []byte) []byte {
		return con(tagSet, con(tagSet, named(0xa0, surname)), mark)
	}
	list := [][]byte{
		extensionValue("2.6.1.5.0", prim(tagNull, nil)),
		extensionValue("2.6.1.5.1", con(tagSet, str(tagPrintable, "en"), str(tagPrintable, "de"), str(tagPrintable, "fr"))),
		extensionValue("2.6.1.5.2", num(tagEnumerated, 2)),
		extensionValue("2.6.1.5.3", con(tagSet,
			con(tagSet, num(tagInteger, 714711), signatureOf("sign"), assertion(0xa1), certificates(0xa0)))),
		extensionValue("2.6.1.5.4", con(tagSequence, label(0xa0, 3, "CONTENT MARK"), label(0xa1, 2, "HEADING MARK"),
			con(0xa2, prim(0x80, nil), label(0xa1, 1, "PART MARK")))),
		extensionValue("2.6.1.5.5", str(tagGeneralizedTime, "20261125120304Z")),
		extensionValue("2.6.1.5.6", con(tagSequence,
			member("Circleone", prim(tagNull, nil)), member("Circletwo", str(tagGeneralizedTime, "20261125130405Z")),
			member("Circlethree", con(tagSequence,
				con(tagSequence, algorithmOf(), messageID(0x6b, "circulated"), str(tagGeneralizedTime, "20261125140506Z")),
				algorithmOf(), prim(tagBitString, append([]byte{0}, "circular"...)))))),
		extensionValue("2.6.1.5.7", con(tagSequence, con(tagSequence,
			object(tagOID, "1.3.6.1.4.1.99999.400.5"), bmp(tagSet, "ALPHA"), named(0xa0, "Distributor")))),
		extensionValue("2.6.1.5.8", bmp(tagSet, "Ωmega subject")),
		extensionValue("2.6.1.5.9", con(tagSequence, con(tagSequence, object(0x80, "1.3.6.1.4.1.99999.400.6"), bmp(0xa1, "Weather")))),
		extensionValue("2.6.1.5.10", con(tagSequence, bmp(tagSet, "burn it"), bmp(tagSet, "file it"))),
		extensionValue("2.6.1.5.11", bmp(tagSet, "our ref 7")),
		extensionValue("2.6.1.5.12", object(tagOID, "1.3.6.1.4.1.99999.400.7")),
	}
	// Forms that extensions must not have, but that a reader may be given.
	return append(list, extensionValue("1.3.6.1.4.1.99999.400.43"))
}

func delivered(time string) [][]byte {
	return [][]byte{str(0x80, time), con(0xa1,
		num(0x80, 22), user(0x60, "Sender"), con(0xa1, bits(0x80, 3, 2)), num(0x47, 2), bits(0x82, 2, 1),
		con(0xa3, user(0x60, "Another")), user(0xa4, "Receiver"), user(0xa5, "Intended"), con(0xa6, bits(0x80, 3, 2)),
		str(0x87, "261125110000Z"), str(0x88, "CID 7"))}
}

func everyBodyPart() [][]byte {
	return [][]byte{
		con(0xa0, con(tagSet, num(0x80, 2)), str(tagIA5, "TELEX REPERTOIRE")),
		con(0xa3, con(tagSet, num(0x80, 2), bits(0x81, 32, 8, 9)), con(tagSequence, prim(tagBitString, []byte("\x00page one")), prim(tagBitString, []byte("\x00page two")))),
		con(0xa4), con(0xa4, prim(tagOctetString, []byte("interchange data"))),
		con(0xa5, con(tagSet, num(0x80, 2), truth(0x81), con(0xa2, prim(0x83, []byte("page")))), con(tagSequence, str(tagTeletex, t61("Seite eins über")), str(tagTeletex, "Seite zwei"))),
		con(0xa6, con(tagSet, num(0x80, 0)), str(0x15, "videotex ids")),
		con(0xa6, con(tagSet, num(0x80, 1)), str(0x15, "videotex one")),
		con(0xa6, con(tagSet, num(0x80, 2)), str(0x15, "videotex two")),
		con(0xa6, con(tagSet, num(0x80, 3)), str(0x15, "videotex three")),
		con(0xa7, str(tagIA5, "nationally defined")),
		con(0xa8, con(tagSet, algorithmOf(), certificates(tagSet)), prim(tagBitString, []byte("\x00encrypted body"))),
		con(0xa9, con(tagSet, delivered("261125110500Z")...), con(tagSequence, everyHeading("forwarded", nil), con(tagSequence, ia5Part("forwarded text")))),
		con(0xab), con(0xab, prim(tagOctetString, []byte("mixed data"))),
		prim(0x8e, []byte("bilateral octets")),
	}
}

// extendedPart is an externally-defined body part.
func extendedPart(data string, value []byte, parameters string, parameter []byte) []byte {
	var p []byte
	if parameters != "" {
		p = con(0xa0, object(tagOID, parameters), con(0xa0, parameter))
	}
	return con(0xaf, p, con(tagExternal, object(tagOID, data), con(0xa0, value)))
}

func everyExtendedPart() [][]byte {
	heading := plainHeading("forwarded content")
	info := con(0xa0, heading, con(tagSequence, ia5Part("content within")))
	proof := con(0xa3,
		signatureAs(0xa0, "proof of it"),
		using(func(e *encoder) { e.certificates(0xa1, 9, []byte("public key of MTA")) }),
		con(tagSet, user(0x60, "Submitter"), num(0x46, 22), con(0xa1, con(tagSet, user(0x60, "Submittee"), bits(0x80, 2, 0)))))
	forwarded := func(tag byte) []byte {
		d := delivered("261125110600Z")
		return con(tag, append(d, con(0xa2, con(0x63, con(0x61, str(tagPrintable, "GB")), con(0x62, str(tagPrintable, "INVENTED"))), str(tagIA5, "forwarded.id.1")), proof)...)
	}
	return [][]byte{
		extendedPart("2.6.1.4.0", str(tagIA5, "extended ia5"), "2.6.1.11.0", con(tagSet, num(0x80, 5))),
		extendedPart("2.6.1.4.2", con(tagSequence, prim(tagBitString, []byte("\x00fax page"))), "2.6.1.11.2", con(tagSet, num(0x80, 1))),
		extendedPart("2.6.1.4.3", con(tagSequence, prim(tagOctetString, []byte("g4 data"))), "", nil),
		extendedPart("2.6.1.4.4", con(tagSequence, str(tagTeletex, "extended teletex")), "2.6.1.11.4", con(tagSet, num(0x80, 1))),
		extendedPart("2.6.1.4.5", str(0x15, "extended videotex"), "2.6.1.11.5", con(tagSet, num(0x80, 1))),
		extendedPart("2.6.1.4.6", prim(tagBitString, []byte("\x00extended secret")), "2.6.1.11.6", con(tagSet, algorithmOf())),
		extendedPart("2.6.1.4.7", con(tagSequence, heading, con(tagSequence, ia5Part("extended message"))), "2.6.1.11.7", con(tagSet, delivered("261125110700Z")...)),
		extendedPart("2.6.1.4.8", con(tagSequence, prim(tagOctetString, []byte("mixed mode"))), "", nil),
		extendedPart("2.6.1.4.9", prim(tagOctetString, []byte("extended bilateral")), "", nil),
		extendedPart("2.6.1.4.15", con(tagSet, notificationFields(con(0xa1, str(0x80, "261125120104Z")))...), "2.6.1.11.15", con(tagSet, delivered("261125110800Z")...)),
		extendedPart("2.6.1.4.16", prim(tagOctetString, []byte("voice octets")), "2.6.1.11.16",
			con(tagSequence, num(0x80, 711234), object(0x81, "2.6.1.12.1.3"), str(0x82, "spoken slowly"))),
		extendedPart("2.6.1.4.17.2.6.1.10.1", prim(tagOctetString, info), "2.6.1.11.17.2.6.1.10.1", forwarded(tagSet)),
		extendedPart("2.6.1.4.17.2.6.1.10.0", prim(tagOctetString, info), "2.6.1.11.17.2.6.1.10.0", forwarded(tagSet)),
		extendedPart("2.6.1.4.17."+oidContentP772, prim(tagOctetString, info), "2.6.1.11.17."+oidContentP772, forwarded(tagSet)),
		// Some leave the OCTET STRING out; so does tshark.
		extendedPart("2.6.1.4.17.2.6.1.10.1", info, "2.6.1.11.17.2.6.1.10.1", con(tagSet, str(0x80, "261125110900Z"))),
		extendedPart("2.6.1.4.18", signedContent(), "", nil),
		extendedPart("1.3.6.1.4.1.99999.400.44", str(tagIA5, "not known"), "", nil),
	}
}

// everyGeneralText is texts in the character sets that are registered for it
// (X.420 Annex B, ISO 8859, JIS X 0208).
func everyGeneralText() [][]byte {
	text := func(octets string, registrations ...int) []byte {
		var set [][]byte
		for _, n := range registrations {
			set = append(set, num(tagInteger, n))
		}
		return extendedPart("2.6.1.4.11", str(tagGeneralString, octets), "2.6.1.11.11", con(tagSet, set...))
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
		return extendedPart("2.6.1.4.12", con(tagSequence, con(tagExternal, prim(0x81, []byte(text)))), "2.6.1.11.12", con(tagSequence, parameters...))
	}
	identifier := func(tag byte, names ...string) []byte {
		var list [][]byte
		for _, n := range names {
			list = append(list, str(tagGraphic, n))
		}
		return con(tag, con(0xa1, list...))
	}
	// No password is like another, so that one that is kept is found.
	var passwords [][]byte
	for i, n := range []byte{0, 1, 2, 3, 4, 5, 6, 7} {
		p := str(tagGraphic, "SECRET-file-"+string(rune('a'+i)))
		if i == 1 {
			p = prim(tagOctetString, []byte("SECRET-file-octets"))
		}
		passwords = append(passwords, con(0xa0|n, p))
	}
	passwords = append(passwords, con(0xa8, str(tagGraphic, "SECRET-file-pass")), con(0xa9, str(tagGraphic, "SECRET-file-link")))
	key := func(n byte) []byte { return bits(0x80|n, 4, 1) }
	access := con(tagSequence, bits(0x80, 8, 0, 1, 2, 3, 4, 5, 6, 7),
		con(0xa1, key(0), key(1), key(2), key(3), key(4), key(5), key(6), key(7)),
		str(0x82, "file reader"), con(0xa3, passwords...),
		con(0xa4, object(tagOID, "1.3.6.1.4.1.99999.400.45"), num(tagInteger, 714242)))
	at := func(n byte, time string) []byte { return con(0xa0|n, str(0x81, time)) }
	who := func(n byte, name string) []byte { return con(0xa0|n, str(tagGraphic, name)) }
	attributes := con(0xa4,
		con(0xa0, str(tagGraphic, "dir"), str(tagGraphic, "whole.txt")),
		bits(0x81, 8, 0, 5), who(3, "account 17"),
		at(4, "20261101080000Z"), at(5, "20261102080000Z"), at(6, "20261103080000Z"), at(7, "20261104080000Z"),
		who(8, "creator"), who(9, "modifier"), who(10, "reader"), who(11, "changer"),
		con(0xac, num(0x81, 1)), con(0xad, num(0x81, 54321)), con(0xae, num(0x81, 65432)),
		con(0xaf, con(0xa1, access)), con(0xb0, str(0x81, "qualified")),
		con(0xb1, con(0xa2, object(tagOID, "1.3.6.1.4.1.99999.400.46"), prim(0x81, []byte("private use")))),
		con(0xb6, con(tagSequence, object(0x80, "1.3.6.1.4.1.99999.400.47"), con(0xa1, con(tagSequence, con(tagSequence, object(tagOID, "1.3.6.1.4.1.99999.400.55"), prim(tagNull, nil)))))))
	none := func(n byte) []byte { return con(0xa0|n, prim(0x80, nil)) }
	return [][]byte{
		part("all parameters",
			con(0xa0,
				con(tagSequence, con(0xa0, con(0xa0, con(0xa0, str(tagGraphic, "stored"), str(tagGraphic, "file"))), str(0x81, "version four")), num(0x80, 2)),
				con(tagSequence, con(0xa1, prim(0x80, []byte("crossref")), con(0xa1, user(0xa0, "Storer"), str(0x81, "stored message")), num(0x82, 714321)), str(0x81, "describes it"))),
			con(0xa1, con(0xa0, object(tagOID, "1.0.8571.5.3"))),
			con(0xa2, con(0xa0, object(0x80, "1.3.6.1.4.1.99999.400.48")), identifier(0xa1, "machine", "model"), object(0x82, "1.3.6.1.4.1.99999.400.49"),
				con(0xa3, str(tagGraphic, "seen by users"))),
			con(0xa3, object(0x80, "1.3.6.1.4.1.99999.400.50"), con(0xa1, prim(tagNull, nil))),
			attributes,
			con(0xa5, extensionValue("1.3.6.1.4.1.99999.400.51", str(tagIA5, "file extension")))),
		part("another environment",
			con(0xa1, con(0xa1, object(tagOID, "1.0.8571.4.1"), object(tagOID, "1.0.8571.3.1"))),
			con(0xa2, identifier(0xa0, "an editor"), con(0xa1, object(0x80, "1.3.6.1.4.1.99999.400.52"))),
			con(0xa4, con(0xb7, str(tagGraphic, "complete.txt")), none(3), none(4), none(8), none(12), none(13), none(15), none(16), none(17))),
		part("unstructured text", con(0xa1, con(0xa0, object(tagOID, "1.0.8571.5.1"))), con(0xa4, con(0xa0, str(tagGraphic, "text.txt")))),
	}
}

// notificationFields are the common fields of a notification and its choice.
func notificationFields(choice []byte) [][]byte {
	response := con(tagSet,
		con(tagSet, signatureAs(0xa0, "integrity"), signatureAs(0xa1, "authentic"), tokenAs(0xa2)),
		num(tagInteger, 6))
	return [][]byte{messageID(0x6b, "subject message"), named(0xa1, "Notifier"), named(0xa2, "Meant"), con(0x65, bits(0x80, 3, 2)),
		con(0xa3, extensionValue("2.6.1.18.1", response),
			extensionValue("2.6.1.18.1", con(tagSet, prim(tagOctetString, []byte("original content")), num(tagInteger, 32)))),
		con(0xa0, choice)}
}

func adviceAll() [][]byte {
	return [][]byte{
		extensionValue("2.6.1.19.0", con(tagSequence, con(0xa0, con(tagSet, num(0x80, 5)), str(tagIA5, "away for long")), str(tagUTCTime, "261201080000Z"))),
		extensionValue("2.6.1.19.1", con(tagSequence, named(0xa0, "Newplace"), str(0x81, "261202080000Z"))),
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
	return con(tagSet, num(0x80, typ), named(0xa1, name), num(0x82, typ), num(0x83, 2))
}

func militaryExtensions() [][]byte {
	instructions := func(lines ...string) []byte {
		var list [][]byte
		for _, s := range lines {
			list = append(list, str(tagPrintable, s))
		}
		return con(tagSequence, list...)
	}
	labels := con(tagSequence, label(0xa0, 3, "MILITARY CONTENT"), label(0xa1, 2, "MILITARY HEADING"),
		con(0xa2, con(tagSet, label(0xa0, 1, "MILITARY PART"), num(0x81, 714712))))
	return [][]byte{
		extensionValue(military(0), num(tagInteger, 4)), extensionValue(military(1), num(tagInteger, 1)),
		extensionValue(military(2), con(tagSet, num(0x80, 0), str(0x81, "EXERCISE ONE"))),
		extensionValue(military(3), con(tagSequence, addressList(0, "Listone"), addressList(1, "Listtwo"))),
		extensionValue(military(4), con(tagSequence, named(tagSet, "Exempted"))),
		extensionValue(military(5), str(tagUTCTime, "261125090000Z")),
		extensionValue(military(6), con(tagSet, con(0xa0, str(tagPrintable, "SIC1"), str(tagPrintable, "ABCDEF")),
			con(0xa1, con(tagSequence, object(tagOID, "1.3.6.1.4.1.99999.400.54"), str(tagPrintable, "EXTRA CODE"))))),
		extensionValue(military(7), instructions("HANDLE ONE", "HANDLE TWO")),
		extensionValue(military(8), instructions("INSTRUCT ONE", "INSTRUCT TWO")),
		extensionValue(military(9), num(tagInteger, 711042)),
		extensionValue(military(10), str(tagPrintable, "ORIG REF 9")),
		extensionValue(military(11), con(tagSequence, con(tagSet, num(0x80, 0), str(0x81, "OTHERONE")), con(tagSet, num(0x80, 1), str(0x81, "OTHERTWO")))),
		extensionValue(military(12), con(tagSequence, con(tagSequence, num(0x80, 3), con(0xa1, named(tagSet, "Pilot")),
			label(0xa2, 1, "PILOT MARK"), con(0xa3, str(tagPrintable, "PILOT HANDLING"))))),
		extensionValue(military(13), str(tagPrintable, "ACP IDENT 5")),
		extensionValue(military(14), str(tagPrintable, "PLAD INVENTED")),
		extensionValue(military(17), labels),
		extensionValue("1.3.26.0.4406.0.8.0", num(tagEnumerated, 0)), extensionValue("1.3.26.0.4406.0.8.0", num(tagEnumerated, 1)),
	}
}

func militaryResponse() []byte {
	return con(tagSet, bits(0x80, 3, 0, 1, 2), str(0x81, "261125100000Z"), con(0xa2, addressList(0, "Listthree")),
		str(0x83, "ACP RECIPIENT"), str(0x84, "ACP SUPPLEMENT"))
}

func militaryParts() [][]byte {
	part := func(n string, value []byte, p string, parameter []byte) []byte {
		return extendedPart("1.3.26.0.4406.0.7."+n, value, "1.3.26.0.4406.0.7."+p, parameter)
	}
	mm := con(tagSequence, plainHeading("MM WITHIN"), con(tagSequence, ia5Part("military text within")))
	return [][]byte{
		ia5Part("MILITARY TEXT"),
		part("0", str(0x80, "LINE ORIENTED//"), "2", num(tagInteger, 711001)),
		part("0", con(0xa1, str(tagIA5, "SET ONE//"), str(tagIA5, "SET TWO//")), "2", num(tagInteger, 711002)),
		part("1", str(tagIA5, "CORRECTION TEXT"), "3", num(tagInteger, 711003)),
		part("6", prim(tagBitString, []byte("\x00forwarded secret")), "7", con(tagSet, delivered("261125111000Z")...)),
		part("9", mm, "10", con(tagSet, delivered("261125111100Z")...)),
		part("12", str(tagIA5, "ACP TEXT"), "13", num(tagInteger, 711004)),
		extendedPart("2.6.1.4.17."+oidContentP772, con(0xa0, mm[2:]), "2.6.1.11.17."+oidContentP772, con(tagSet, delivered("261125111300Z")...)),
		extendedPart("2.6.1.4.17."+oidContentP772, con(0xa1, notificationFields(con(0xa1, str(0x80, "261125120105Z")))...), "", nil),
		extendedPart("2.6.1.4.17."+oidContentP772, prim(tagOctetString, con(0xa0, mm[2:])), "2.6.1.11.17."+oidContentP772, con(tagSet, delivered("261125111200Z")...)),
	}
}

// aftn is the OR-name of an aeronautical station (ICAO Doc 9880 Part II): in XF
// form the O is AFTN, in CAAS form the CN is the AF-address.
func aftn(tag byte, af string, caas bool) []byte {
	std := [][]byte{con(0x61, str(tagPrintable, "XX")), con(0x62, str(tagPrintable, "ICAO"))}
	if !caas {
		std = append(std, con(0xa2, str(tagPrintable, af[:2])), str(0x83, "AFTN"), con(0xa6, str(tagPrintable, af)))
		return con(tag, con(tagSequence, std...))
	}
	std = append(std, con(0xa2, str(tagPrintable, af[:2])), str(0x83, "REGION"), con(0xa6, str(tagPrintable, af[:4])))
	return con(tag, con(tagSequence, std...), con(tagSet, con(tagSequence, num(0x80, 1), con(0xa1, str(tagPrintable, af)))))
}

func atsHeading() []byte {
	to := func(af string, caas bool) []byte {
		return con(tagSet, con(0xa0, aftn(0x60, af, caas)), con(0xa3, extensionValue("2.6.1.20.1", num(tagInteger, 57))))
	}
	return con(tagSet, con(0x6b, aftn(0x60, "EGLLZTZX", false), str(tagPrintable, "ats 1")), con(0xa0, aftn(0x60, "EGLLZTZX", false)),
		con(0xa2, to("LFPOYFYX", true), to("EDDFYFYX", false)), con(0xaf,
			extensionValue("2.6.1.5.5", str(tagGeneralizedTime, "20261125201500Z")),
			extensionValue("2.6.1.5.11", bmp(tagSet, "INVENTED OHI")),
			extensionValue("2.6.1.5.12", object(tagOID, "1.3.27.8.0.0"))))
}

// signedContent is a ContentInfo of signed data with one signer (RFC 5652 5).
func signedContent() []byte {
	inside := con(tagSequence, object(tagOID, "1.2.840.113549.1.7.1"), con(0xa0, prim(tagOctetString, []byte("signed octets"))))
	signer := con(tagSequence, num(tagInteger, 1), con(tagSequence, using(func(e *encoder) { e.name("a signer") }), num(tagInteger, 42)),
		algorithmOf(), algorithmOf(), prim(tagOctetString, []byte("signature octets")))
	return con(tagSequence, object(tagOID, "1.2.840.113549.1.7.2"), con(0xa0,
		con(tagSequence, num(tagInteger, 1), con(tagSet), inside, con(tagSet, signer))))
}

// carry makes m carry x in place of its own content.
func (m *message) carry(x *wholeContent) {
	m.kind, m.typ, m.typOID = ledger.KindMessage, x.typ, x.typOID
	m.content.kind, m.content.whole = contentWhole, x.octets
}
