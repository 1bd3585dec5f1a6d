package generate

import (
	"slices"
	"strconv"
)

// Remote operations (X.229 9).

func invoked(id, code int, argument []byte) []byte {
	return el(0xa1, integer(tagInteger, id), integer(tagInteger, code), argument)
}

func linked(id, to, code int, argument []byte) []byte {
	return el(0xa1, integer(tagInteger, id), integer(0x80, to), integer(tagInteger, code), argument)
}

func resulted(id, code int, result []byte) []byte {
	return el(0xa2, integer(tagInteger, id), seq(integer(tagInteger, code), result))
}

func failed(id, code int, parameter []byte) []byte {
	return el(0xa3, integer(tagInteger, id), integer(tagInteger, code), parameter)
}

// rejected is a reject; kind is 0 general, 1 invoke, 2 return result, 3 return error.
func rejected(id []byte, kind byte, problem int) []byte {
	return el(0xa4, id, integer(0x80|kind, problem))
}

// submittedRecipient is a PerRecipientMessageSubmissionFields or that of a probe.
func submittedRecipient(name []byte, conversion int, extensions ...[]byte) []byte {
	return setOf(name, bits(0x80, 0, 3, 4), integer(0x81, conversion), el(0xa2, extensions...))
}

// submissionArgument is a MessageSubmissionArgument with everything.
func submissionArgument() []byte {
	extensions := slices.Concat(messageExtensionsAll(), [][]byte{ext(21, []int{0}, enumerated(1))})
	envelope := setOf(standardName(0x60), eits(0x65, 121, 2, 3), integer(0x46, 22), chars(0x4a, "Submitted CID"), integer(0x47, 1), bits(0x48, 0, 0, 3),
		stamp(0x80, "960406070809"), el(0xa2, extensions...),
		el(0xa1, submittedRecipient(simple(0x60, "Submittedto"), 8, recipientExtensionsAll(1)...), submittedRecipient(universalName(0x60), 9, ext(22, nil, enumerated(1)))))
	return seq(envelope, el(tagOctetString, faxContent()))
}

func probeArgument() []byte {
	return setOf(standardName(0x60), eits(0x65, 122, 2), oid(tagOID, "1.2.826.0.1.99.35"), chars(0x4a, "Probing CID"), integer(0x80, 876543), bits(0x48, 0, 1, 2),
		el(0xa2, ext(24, nil, signature(tagSequence, "1.3.14.3.2.25", "check of a probe submitted")), ext(23, nil, chars(tagIA5, "correlator of a submitted probe"))),
		el(0xa3, submittedRecipient(simple(0x60, "Probedto"), 10, ext(2, nil, simple(0x60, "Probedinstead")))))
}

// submissionResult is a MessageSubmissionResult or ProbeSubmissionResult.
func submissionResult(local, at, cid string) []byte {
	return setOf(mtsID(0x64, local), stamp(0x80, at), chars(0x4a, cid), el(0xa1, ext(34, nil, certificate(tagSequence, 343434)),
		ext(35, nil, signature(tagSequence, "1.3.14.3.2.29", "proof of submission"))))
}

// deliveryFields is an OtherMessageDeliveryFields with everything.
func deliveryFields(contentType []byte) []byte {
	return setOf(contentType, standardName(0x60), eits(0xa1, 131, 2, 5), integer(0x47, 2), bits(0x82, 0, 1),
		el(0xa3, simple(0x60, "Otherone"), simple(0x60, "Othertwo")), el(0xa4, plain("Thisrecipient")), el(0xa5, plain("Intendedfirst")), eits(0xa6, 132, 2),
		stamp(0x87, "960407080910"), chars(0x88, "Delivered CID"), el(0xa9, slices.Concat(messageExtensionsAll(), recipientExtensionsAll(2))...))
}

func deliveryArgument() []byte {
	return seq(mtsID(0x64, "delivered.0001"), stamp(tagUTCTime, "960407091011"), deliveryFields(integer(0x80, 22)), el(tagOctetString, faxContent()))
}

// reportFields are those of a ReportDeliveryEnvelope.
func reportFields() [][]byte {
	deliveredReport := func(name string, report []byte, extensions ...[]byte) []byte {
		return setOf(simple(0xa0, name), el(0xa1, report), eits(0x65, 141, 2), el(0xa2, plain("Intendedby"+name)), chars(0x83, "Supplement of "+name), el(0xa4, extensions...))
	}
	return [][]byte{mtsID(0x64, "submitted.0001"), chars(0x4a, "Reported CID"), integer(0x46, 22), eits(0x65, 142, 2),
		el(0xa1, ext(20, nil, securityLabel(tagSet, 2, "REPORTED MARK")), ext(23, nil, chars(tagIA5, "correlator reported")), ext(25, nil, redirections("Reporteddelivery")),
			ext(30, nil, historyOf(simple(0x60, "Originatorreported"), simple(0x60, "Listreported"))), ext(31, nil, simple(0x60, "Listreporting")),
			ext(32, nil, certificate(tagSequence, 323233)), ext(33, nil, signature(tagSequence, "1.3.14.3.2.26", "check of a delivered report")),
			ext(37, nil, traceOf(0x69)), ext(38, nil, internalTrace()), ext(39, nil, seq(sayDomain("XX", "SPECIMEN", "HOME"), chars(tagIA5, "mta-telling")))),
		seq(
			deliveredReport("Reporteduser", el(0xa0, stamp(0x80, "960407111213"), integer(0x81, 2)), ext(25, nil, redirections("Reporteduserbefore")), ext(27, nil, simple(0x60, "Forwardedto")),
				ext(28, nil, certificate(tagSequence, 282830)), ext(29, nil, signature(tagSequence, "1.3.14.3.2.27", "proof of a reported delivery"))),
			deliveredReport("Reportedfailure", el(0xa1, integer(0x80, 5), integer(0x81, 29)), ext(25, nil, redirections("Reportedfailurebefore"))))}
}

// controls is a Controls with everything (X.411 8.2.1.4, 8.3.1.3).
func controls(tag byte, length int, more ...[]byte) []byte {
	return el(tag, slices.Concat(no(0x80), bits(0x81, 0, 0, 1), integer(0x82, length), integer(0x47, 2), el(0xa4, integer(0x46, 22), oid(tagOID, "1.2.826.0.1.99.36")),
		seq(el(0xa0, oid(tagOID, "1.2.826.0.1.99.41")), el(0xa1, oid(tagOID, "1.2.826.0.1.99.42")), el(0xa2, oid(tagOID, "1.2.826.0.1.99.43"))),
		el(0xa5, securityLabel(tagSet, 1, "CONTROLLED MARK"), securityLabel(tagSet, 2, "CONTROLLED TOO"))), slices.Concat(more...))
}

func waiting(more ...[]byte) []byte {
	return setOf(bits(0x80, 0, 0, 1), bits(0x81, 0, 0, 1, 2), el(0xa2, integer(0x46, 2), oid(tagOID, "1.2.826.0.1.99.37")), eits(0x65, 151, 2), slices.Concat(more...))
}

// restriction is a Restriction (X.411 8.4.1.1); how is the tag of its source-name.
func restriction(permitted []byte, how byte, name string, source ...int) []byte {
	return setOf(permitted, bits(tagBitString, 0, source...), el(how, plain(name)))
}

// class is a MessageClass with everything.
func class(n int) []byte {
	return setOf(el(0xa0, integer(0x46, 22), oid(tagOID, "1.2.826.0.1.99.38")), integer(0x81, 500000+n),
		el(0xa2, el(0xa0, oid(tagOID, "1.2.826.0.1.99.44")), el(0xa1, oid(tagOID, "1.2.826.0.1.99.45")), el(0xa2, oid(tagOID, "1.2.826.0.1.99.46"))),
		el(0xa3, securityLabel(tagSet, 3, "CLASS MARK")), el(0xa4, integer(0x47, 0), integer(0x47, 2)), integer(0x85, n%3),
		el(0xa6, restriction(no(tagBoolean), 0xa0, "Appliesto", 0, 2)), el(0xa7, private("1.2.826.0.1.99.53", chars(tagIA5, "class extension"))))
}

// registration are the fields of a RegisterArgument.
func registration(address []byte) [][]byte {
	return [][]byte{simple(0x60, "Registereduser"), el(0xa0, address), setOf(class(0), class(1)), el(0xa2, controls(tagSet, 600001)),
		el(0xa3, setOf(el(0xa0, class(2)), el(0xa1, plain("Redirectedto")))),
		el(0xa4, restriction(yes(tagBoolean), 0xa0, "Exactlythis", 0), restriction(no(tagBoolean), 0xa1, "Patternlikethis", 1, 2)),
		el(0xa6, private("1.2.826.0.1.99.54", chars(tagIA5, "register extension")))}
}

func retrieve() []byte {
	return el(0xa5, bits(0x80, 0, 0, 1, 2, 3, 4, 5), el(0xa1, oid(0x83, "1.2.826.0.1.99.55"), integer(0x80, 23)))
}

func x121Address() []byte {
	return el(0xa0, chars(tagNumeric, "23422345678"), chars(tagPrintable, "TSAPOFUSER"))
}

func pageAddress() []byte {
	return el(0xa1, el(0xa0, chars(tagOctetString, "user-psel")), el(0xa1, chars(tagOctetString, "user-ssel")), el(0xa2, chars(tagOctetString, "user-tsel")), el(0xa3, setOf(chars(tagOctetString, "UnsapA"))))
}

func bindExtensions() []byte {
	return el(0xa5, private("1.2.826.0.1.99.56", chars(tagIA5, "bind extension")))
}

func waitingQueues() []byte {
	queue := func(tag byte, n int) []byte { return el(tag, integer(0x80, n), integer(0x81, 1000*n)) }
	return el(0xa1, setOf(queue(0xa0, 3101), queue(0xa1, 3202), queue(0xa2, 3303)))
}

// mtsBind is an MTSBindArgument or -Result.
func mtsBind(name, credentials []byte, more ...[]byte) []byte {
	return setOf(name, slices.Concat(more...), el(0xa2, credentials), bindExtensions())
}

// accessErrors are the errors of MTS access with their parameters (X.419 Annex A).
func accessErrors() [][]byte {
	var list [][]byte
	for _, code := range []int{1, 2, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15} {
		list = append(list, failed(41200+code, code, none()))
	}
	return append(list, failed(41203, 3, seq(simple(0x60, "Improperone"), simple(0x60, "Impropertwo"))), failed(41212, 12, integer(tagInteger, 7)), failed(41220, 12, integer(tagInteger, 33)),
		failed(41216, 16, setOf(integer(0x81, 15), integer(0x82, 2))), failed(41217, 16, setOf(oid(0x83, "1.2.826.0.1.99.57"), integer(0x82, 1))))
}

// operateAll plays each operation of MTS access with everything; user is the user's side, and contexts are
// of submission, delivery and administration.
func operateAll(s *stage, user int, submission, delivery, administration int) {
	mts := 1 - user
	id := 41000
	call := func(by, context, code int, argument, result []byte) {
		id++
		s.operate(by, context, invoked(id, code, argument))
		s.operate(1-by, context, resulted(id, code, result))
	}
	call(user, submission, 3, submissionArgument(), submissionResult("submitted.0001", "960406080910", "Submitted CID"))
	call(user, submission, 4, probeArgument(), submissionResult("submitted.0002", "960406080911", "Probing CID"))
	call(user, submission, 7, mtsID(0x64, "cancelled.0001"), none())
	call(mts, submission, 2, controls(tagSet, 600002), waiting())
	call(mts, delivery, 5, deliveryArgument(), setOf(certificate(0xa0, 282831), signature(0xa1, "1.3.14.3.2.27", "proof of this delivery"), el(0xa2, private("1.2.826.0.1.99.58", chars(tagIA5, "delivery result extension")))))
	call(mts, delivery, 6, setOf(append(reportFields(), el(0x80, faxContent()))...), none())
	call(mts, delivery, 6, setOf(append(reportFields(), el(0x80, faxContent()))...), setOf(private("1.2.826.0.1.99.59", chars(tagIA5, "report result extension"))))
	call(user, delivery, 2, controls(tagSet, 600003, el(0xa6, private("1.2.826.0.1.99.60", chars(tagIA5, "control extension")))), waiting(el(0xa6, private("1.2.826.0.1.99.61", chars(tagIA5, "control result extension")))))
	call(user, administration, 1, setOf(append(registration(x121Address()), retrieve())...), setOf(el(0xa0, registration(pageAddress())...), el(0xa1, private("1.2.826.0.1.99.62", chars(tagIA5, "register result extension")))))
	call(user, administration, 1, setOf(registration(pageAddress())...), none())
	call(user, administration, 8, setOf(el(0xa0, chars(tagIA5, "UNSPOKEN old")), el(0xa1, chars(tagOctetString, "UNSPOKEN new"))), none())
	call(user, administration, 8, setOf(el(0xa0, chars(tagOctetString, "UNSPOKEN older")), el(0xa1, chars(tagIA5, "UNSPOKEN newer"))), none())
	id++
	s.operate(user, submission, linked(id, 41001, 7, mtsID(0x64, "cancelled.0002")))
	s.operate(mts, submission, rejected(integer(tagInteger, id), 1, 5))
	s.operate(mts, submission, rejected(integer(tagInteger, 41151), 2, 2))
	s.operate(mts, submission, rejected(integer(tagInteger, 41152), 3, 4))
	s.operate(mts, submission, rejected(none(), 0, 1))
	for _, e := range accessErrors() {
		s.operate(mts, submission, e)
	}
}

func accessOffers(list ...offer) []offer { return append([]offer{{contextACSE, oidACSE}}, list...) }

var accessSpecimens = append([]specimen{
	{"access with RTSE", true, func(s *stage) {
		s.setup.access = &access{rtse: true}
		offers := accessOffers(offer{contextBind, "2.6.0.2.8"})
		s.connect(unitsRTSE, cpOf(offers, aarqOf("2.6.0.1.9", information(contextBind,
			rtorq(0, 3, 1, opened(0xb0, mtsBind(standardName(0x60), strong(false, 333333), waitingQueues(), el(0xa3, securityLabel(tagSet, 4, "BIND CONTEXT")))))))))
		s.accept(unitsRTSE, cpaOf(offers, aareOf("2.6.0.1.9", 0, byUser(0), information(contextBind,
			rtoac(0, 3, opened(0xb1, mtsBind(chars(0x80, "mts-of-access"), protected(), waitingQueues())))))))
		operateAll(s, client, contextBind, contextBind, contextBind)
		s.release(el(0x62, integer(0x80, 0)), el(0x63, integer(0x80, 0)))
	}},
	{"access without RTSE", true, func(s *stage) {
		offers := accessOffers(offer{contextBind, "2.6.0.2.11"}, offer{contextSubmission, "2.6.0.2.1"}, offer{contextDelivery, "2.6.0.2.14"}, offer{contextAdministration, "2.6.0.2.16"})
		s.connect(unitsDuplex, cpOf(offers, aarqOf("2.6.0.1.7", information(contextBind, el(0xb0, mtsBind(el(0xa4, plain("Messagestore")), protected()))))))
		s.accept(unitsDuplex, cpaOf(offers, aareOf("2.6.0.1.7", 0, byUser(0), information(contextBind, el(0xb1, mtsBind(chars(0x80, "mts-without-rtse"), chars(tagOctetString, "UNSPOKEN of the MTS")))))))
		operateAll(s, client, contextSubmission, contextDelivery, contextAdministration)
		unbind := func(tag byte) []byte { return information(contextBind, el(tag, none())) }
		s.release(el(0x62, integer(0x80, 1), unbind(0xb3)), el(0x63, integer(0x80, 0), unbind(0xb4)))
	}},
	{"forced access of 1988, aborted", true, func(s *stage) {
		offers := accessOffers(offer{contextBind, "2.6.0.2.11"}, offer{contextSubmission, "2.6.0.2.1"}, offer{contextDelivery, "2.6.0.2.2"}, offer{contextAdministration, "2.6.0.2.6"})
		s.connect(unitsDuplex, cpOf(offers, aarqOf("2.6.0.1.1", information(contextBind, el(0xb0, mtsBind(chars(0x80, "mts-that-forces"), chars(tagIA5, "UNSPOKEN forced")))))))
		s.accept(unitsDuplex, cpaOf(offers, aareOf("2.6.0.1.1", 0, byUser(0), information(contextBind, el(0xb1, mtsBind(numericName(0x60), strong(true, 555555)))))))
		s.operate(client, contextDelivery, invoked(1, 5, seq(mtsID(0x64, "delivered.0002"), stamp(tagUTCTime, "960407091012"), deliveryFields(oid(tagOID, "1.2.826.0.1.99.39")), el(tagOctetString, chars(tagIA5, "content delivered by force")))))
		s.operate(server, contextDelivery, resulted(1, 5, setOf()))
		s.release(el(0x62, integer(0x80, 0)), el(0x63, integer(0x80, 0), information(contextBind, el(0xb5, integer(tagInteger, 0)))))
	}},
	{"access aborted in ACSE", true, func(s *stage) {
		offers := accessOffers(offer{contextBind, "2.6.0.2.11"}, offer{contextSubmission, "2.6.0.2.1"})
		s.connect(unitsDuplex, cpOf(offers, aarqOf("2.6.0.1.7", information(contextBind, el(0xb0, mtsBind(simple(0x60, "Abortinguser"), chars(tagIA5, "UNSPOKEN aborted")))))))
		s.accept(unitsDuplex, cpaOf(offers, aareOf("2.6.0.1.7", 0, byUser(0), information(contextBind, el(0xb1, mtsBind(chars(0x80, "mts-aborted"), chars(tagIA5, "UNSPOKEN mts")))))))
		s.abort(client, el(0xa0, el(0xa0, seq(integer(tagInteger, contextACSE), oid(tagOID, oidBER))), value(contextACSE, el(0x64, integer(0x80, 1), integer(0x81, 5)))))
	}},
}, refusedAccess()...)

// refusedAccess are binds that the MTS refuses.
func refusedAccess() (list []specimen) {
	for _, code := range []int{0, 2, 5} {
		list = append(list, specimen{"access refused " + strconv.Itoa(code), true, func(s *stage) {
			offers := accessOffers(offer{contextBind, "2.6.0.2.11"}, offer{contextSubmission, "2.6.0.2.1"})
			s.connect(unitsDuplex, cpOf(offers, aarqOf("2.6.0.1.7", information(contextBind, el(0xb0, mtsBind(simple(0x60, "Refuseduser"), chars(tagIA5, "UNSPOKEN refused")))))))
			s.refuse(cprOf(offers, aareOf("2.6.0.1.7", 1, byUser(1), information(contextBind, el(0xb2, integer(tagInteger, code))))))
		}})
	}
	return list
}

// storedAttribute is an Attribute of a stored message (X.413) whose type ends in arc.
func storedAttribute(arc string, values ...[]byte) []byte {
	return seq(oid(tagOID, "2.6.4.3."+arc), seq(values...))
}

// storedAttributes are the attributes that X.413 takes from X.411, but for envelopes and content.
func storedAttributes() [][]byte {
	a := storedAttribute
	return [][]byte{
		a("80", selectorsOf(80001)), a("3", chars(tagIA5, "correlator stored")), a("4", chars(0x4a, "Stored CID")),
		a("5", signature(tagSequence, "1.3.14.3.2.18", "integrity check stored")), a("6", integer(tagInteger, 345678)), a("8", oid(tagOID, "1.2.826.0.1.99.40")),
		a("9", enumerated(1)), a("51", stamp(tagUTCTime, "960408010203")), a("13", bits(tagBitString, 0, 1)), a("78", simple(0x60, "Storedexempt")),
		a("14", seq(simple(0x60, "Storedlist"), stamp(tagUTCTime, "960408020304"))), a("53", enumerated(1)),
		a("54", seq(sayDomain("XX", "SPECIMEN", "STORED"), chars(tagIA5, "mta-stored"), setOf(stamp(0x80, "960408030405"), integer(0x82, 0)))),
		a("55", stamp(tagUTCTime, "960408040506")), a("20", stamp(tagUTCTime, "960408050607")), a("19", mtsID(0x64, "stored.0001")),
		a("21", signature(tagSequence, "1.3.14.3.2.24", "authentication check stored")), a("22", securityLabel(tagSet, 4, "STORED MARK")), a("23", stamp(tagUTCTime, "960408060708")),
		a("24", messageToken()), a("81", setOf(el(0xa0, directory("C=XX", "CN=Stored Entry")))), a("17", simple(0x60, "Storedintended")),
		a("62", certificate(tagSequence, 626262)), a("26", certificate(tagSequence, 262626)), a("27", simple(0x60, "Storedoriginator")), a("63", bits(tagBitString, 0, 3, 4)),
		a("64", seq(plain("Storedreturn"))), a("28", simple(0x60, "Storedother")), a("65", bits(0x48, 0, 0, 1, 2, 3)),
		a("66", submittedRecipient(simple(0x60, "Storedsubmitted"), 11)), a("67", submittedRecipient(simple(0x60, "Storedprobed"), 12)),
		a("30", setOf(simple(0xa0, "Storedreported"), el(0xa1, el(0xa1, integer(0x80, 1), integer(0x81, 4))))),
		a("31", integer(0x47, 2)), a("68", signature(tagSequence, "1.3.14.3.2.25", "probe check stored")), a("69", probeArgument()), a("32", enumerated(1)),
		a("70", signature(tagSequence, "1.3.14.3.2.29", "proof of submission stored")), a("82", setOf(certificate(0xa1, 828282))), a("71", simple(0x60, "Storedrecipient")), a("72", enumerated(1)),
		a("33", seq(seq(simple(0x60, "Storedredirected"), stamp(tagUTCTime, "960408070809")), enumerated(3))), a("35", simple(0x60, "Storedreporting")),
		a("36", certificate(tagSequence, 363636)), a("37", signature(tagSequence, "1.3.14.3.2.26", "report check stored")), a("38", integer(tagInteger, 4)),
		a("40", mtsID(0x64, "stored.0002")), a("41", simple(0x60, "Storedthis")),
		a("75", seq(sayDomain("XX", "SPECIMEN", "STOREDTRACE"), setOf(stamp(0x80, "960408080910"), integer(0x82, 1)))),
	}
}

// ipmAttribute is an Attribute of a stored message with one value.
func ipmAttribute(typ string, value []byte) []byte { return seq(oid(tagOID, typ), seq(value)) }

// ipmAttributes are those of a stored interpersonal message (X.420 Annex C) that tshark
// knows, but for the body.
func ipmAttributes() [][]byte {
	token := setOf(algorithmOf(), el(tagBitString, []byte("\x00wrapped key")), assertion(0xa0),
		using(func(e *encoder) { e.certificates(0xa1, 8, []byte("public key of user")) }), assertion(0xa2), certificates(0xa3))
	list := [][]byte{
		ipmAttribute("2.6.1.6.1", el(tagSequence,
			el(0xa0, integer(0x80, 712001), el(0xa1, el(0xa1, oid(0x80, "2.6.1.4.0"), integer(0x82, 712002), yes(0x83)))),
			el(0xa1, oid(0x80, "2.6.1.4.11"), el(0xa1, oid(tagOID, "2.6.1.11.11"), el(0xa0, setOf(integer(tagInteger, 6)))), integer(0x82, 712003)))),
		ipmAttribute("2.6.1.6.2", seq(oid(0x80, "2.6.1.4.0"), oid(0x81, "2.6.1.11.0"), integer(0x82, 713001), integer(0x83, 713002), integer(0x84, 713003), yes(0x85))),
		ipmAttribute("2.6.1.7.0", plainHeading("heading as an attribute")),
		ipmAttribute("2.6.1.7.1", messageID(0x6b, "attribute this")),
		ipmAttribute("2.6.1.7.2", named(tagSet, "Attrone")),
		ipmAttribute("2.6.1.7.3", messageID(0x6b, "attribute replied")),
		ipmAttribute("2.6.1.7.4", chars(tagTeletex, "attribute subject")),
		ipmAttribute("2.6.1.7.5", chars(tagUTCTime, "261126010000Z")),
		ipmAttribute("2.6.1.7.6", chars(tagUTCTime, "261126020000Z")),
		ipmAttribute("2.6.1.7.9", yes(tagBoolean)),
		ipmAttribute("2.6.1.7.10", named(tagSet, "Attrtwo")),
		ipmAttribute("2.6.1.7.11", setOf(named(0xa0, "Attrthree"))),
		ipmAttribute("2.6.1.7.12", setOf(named(0xa0, "Attrfour"))),
		ipmAttribute("2.6.1.7.13", setOf(named(0xa0, "Attrfive"))),
		ipmAttribute("2.6.1.7.14", messageID(0x6b, "attribute obsoleted")),
		ipmAttribute("2.6.1.7.15", messageID(0x6b, "attribute related")),
		ipmAttribute("2.6.1.7.16", named(tagSet, "Attrsix")),
		ipmAttribute("2.6.1.7.19", named(tagSet, "Attreight")),
		ipmAttribute("2.6.1.7.25", label(0xa1, 1, "ATTRIBUTE MARK")),
		ipmAttribute("2.6.1.7.26", setOf(setOf(integer(tagInteger, 715001), token),
			setOf(integer(tagInteger, 715002), el(0xa0, setOf(integer(tagInteger, 715003), token))))),
		ipmAttribute("2.6.1.7.28", setOf(setOf(named(0xa0, "Attrseven")), none())),
		ipmAttribute("2.6.1.7.29", seq(oid(tagOID, "1.3.6.1.4.1.99999.400.5"))),
		ipmAttribute("2.6.1.7.31", seq(oid(0x80, "1.3.6.1.4.1.99999.400.6"))),
		ipmAttribute("2.6.1.7.32", bmp(tagSet, "attribute handling")),
		ipmAttribute("2.6.1.7.35", setOf(setOf(integer(tagInteger, 716001), tokenAs(tagSequence)))),
		ipmAttribute("2.6.1.13.0", el(0xa1, integer(tagInteger, 717001))), ipmAttribute("2.6.1.13.0", el(0x80, nil)),
		ipmAttribute("2.6.1.13.1", el(0xa1, integer(tagInteger, 717002))), ipmAttribute("2.6.1.13.1", el(0x80, nil)),
		ipmAttribute("2.6.1.13.7", setOf(integer(tagInteger, 717003))), ipmAttribute("2.6.1.13.7", none()),
	}
	for oid, values := range map[string][]int{
		"2.6.1.13.2": {0, 3, 5, 10, 13, 15, 20, 25}, "2.6.1.13.3": {0, 1, 2}, "2.6.1.13.14": {0, 5, 10, 15, 20, 25, 30, 35},
		"2.6.1.13.16": {0, 1, 2, 3}, "2.6.1.13.18": {0, 1, 2, 3, 4},
	} {
		for _, v := range values {
			list = append(list, ipmAttribute(oid, integer(tagInteger, v)))
		}
	}
	for oid, values := range map[string][]int{"2.6.1.6.0": {0, 1, 2, 3}, "2.6.1.7.7": {0, 1, 2}, "2.6.1.7.8": {1, 2, 3}} {
		for _, v := range values {
			list = append(list, ipmAttribute(oid, integer(tagEnumerated, v)))
		}
	}
	list = append(list, ipmAttribute("2.6.1.7.38", setOf(setOf(integer(0x80, 718001), integer(0x81, 1)))))
	// A map has no order; the octets have.
	slices.SortFunc(list, slices.Compare)
	return list
}

// storeAttributes are those that X.413 defines itself.
func storeAttributes() [][]byte {
	a := storedAttribute
	reported := func(entry, position int) []byte {
		return seq(el(0xa0, integer(tagInteger, entry)), el(0xa1, integer(tagInteger, position)))
	}
	return [][]byte{
		a("42", el(0xa1, seq(reported(420001, 2), reported(420002, 3)))), a("43", enumerated(6)), a("44", reported(440001, 4)),
		a("0", integer(tagInteger, 440002), integer(tagInteger, 440003)), a("47", integer(tagInteger, 470001)), a("48", integer(tagInteger, 480001)),
		a("49", oid(tagOID, "1.2.826.0.1.99.49")), a("11", stamp(tagUTCTime, "960410010203")), a("50", stamp(tagUTCTime, "960410020304")),
		a("52", stamp(tagUTCTime, "960410030405")), a("16", integer(tagInteger, 5)), a("15", integer(tagInteger, 2)), a("56", none()),
		a("57", seq(chars(tagGeneralString, "group one"), chars(tagGeneralString, "group two"))), a("58", chars(tagGeneralString, "a note on it")),
		a("60", none()), a("29", integer(tagInteger, 290001)), a("39", integer(tagInteger, 390001)),
		a("79", setOf(el(0xa0, integer(tagInteger, 2)), el(0xa1, integer(tagInteger, 8)))), a("73", integer(tagInteger, 730001)), a("74", stamp(tagUTCTime, "960410040506")),
		a("76", integer(tagInteger, 760001)), a("77", none()),
	}
}

// fetched is a FetchResult with one entry.
func fetched(number int, attributes ...[]byte) []byte {
	return setOf(el(0xa0, seq(integer(tagInteger, number), setOf(attributes...))))
}

var storeSpecimens = []specimen{
	{"message store", true, func(s *stage) {
		offers := accessOffers(offer{contextBind, "2.6.0.2.9"}, offer{contextSubmission, "2.6.0.2.1"}, offer{contextDelivery, "2.6.0.2.5"}, offer{contextAdministration, "2.6.0.2.6"})
		s.connect(unitsDuplex, cpOf(offers, aarqOf("2.6.0.1.4", information(contextBind, el(0xb0, setOf(simple(0x60, "Storeuser"), el(0xa2, chars(tagIA5, "UNSPOKEN of the store"))))))))
		s.accept(unitsDuplex, cpaOf(offers, aareOf("2.6.0.1.4", 0, byUser(0), information(contextBind, el(0xb1, setOf(el(0xa2, chars(tagIA5, "UNSPOKEN store"))))))))
		id := 42000
		call := func(code int, argument, result []byte) {
			id++
			s.operate(client, contextDelivery, invoked(id, code, argument))
			s.operate(server, contextDelivery, resulted(id, code, result))
		}
		number := func(tag byte, n int) []byte { return el(tag, integer(tagInteger, n)) }
		call(22, setOf(number(0xa2, 8001)), fetched(8001, storedAttributes()...))
		call(22, setOf(number(0xa2, 8002)), fetched(8002, storedAttribute("18", seq(mtsID(0x64, "delivered.0003"), stamp(tagUTCTime, "960409010203"), deliveryFields(integer(0x80, 22)))), storedAttribute("1", el(tagOctetString, faxContent()))))
		call(22, setOf(number(0xa2, 8003)), fetched(8003, storedAttribute("34", setOf(reportFields()...))))
		call(22, setOf(number(0xa2, 8004)), fetched(8004, storedAttribute("59", setOf(standardName(0x60), integer(0x46, 22), el(0xa1, submittedRecipient(simple(0x60, "Storedagain"), 13))))))
		call(22, setOf(number(0xa2, 8005)), fetched(8005, ipmAttributes()...))
		call(22, setOf(number(0xa2, 8006)), fetched(8006, storeAttributes()...))
		call(20, setOf(el(0xa1, setOf())), setOf(number(0xa1, 8010), el(0xa2, seq(number(0xa0, 8011), number(0xa1, 8012)))))
		call(21, setOf(el(0xa1, setOf())), setOf(number(0xa0, 8020), el(0xa1, seq(seq(integer(tagInteger, 8021), setOf(storedAttribute("4", chars(0x4a, "Listed CID")))), seq(integer(tagInteger, 8022))))))
		call(23, setOf(el(0xa2, setOf(integer(tagInteger, 8030)))), none())
		s.release(el(0x62, integer(0x80, 0)), el(0x63, integer(0x80, 0)))
	}},
}
