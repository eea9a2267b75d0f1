"""Names of many scripts, offices, departments and titles of the sandbox company; data only."""

import unicodedata
from typing import NamedTuple


class Name(NamedTuple):
    """A name as it is written, and how it is spelled in an e-mail address."""

    written: str
    spelled: str


class Names(NamedTuple):
    """First and last names of one origin."""

    first: tuple[Name, ...]
    last: tuple[Name, ...]


class Office(NamedTuple):
    """Where people work: `weight` is its share of the company, `origins` are keys of `NAMES`."""

    location: str
    city: str
    state: str | None
    country: str
    dialling: str
    weight: int
    origins: tuple[str, ...]


class Department(NamedTuple):
    """A department, the division that it belongs to, its titles from head to starter."""

    name: str
    division: str
    weight: int
    titles: tuple[str, ...]


# Letters that Unicode does not take apart into a base letter and marks.
_WHOLE_LETTERS = str.maketrans(
    {
        "ø": "oe",
        "ß": "ss",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
    }
)


def spell(written: str) -> str:
    """The name in the letters a-z and hyphens that e-mail addresses are made of."""
    lowered = written.lower().translate(_WHOLE_LETTERS)
    base = unicodedata.normalize("NFKD", lowered)
    return "".join(letter for letter in base if letter == "-" or letter in _ASCII_LETTERS)


_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")


def _words(text: str) -> tuple[Name, ...]:
    """Names out of `Ann Мария=mariya De_Vries`; `_` stands for a space inside one name."""
    names = []
    for word in text.split():
        written, _, spelled = word.partition("=")
        written = written.replace("_", " ")
        names.append(Name(written, spelled or spell(written)))
    return tuple(names)


NAMES = {
    "english": Names(
        _words("Mia Ava Oliver James Charlotte Harry Grace Noah Ruby Ethan Hannah Jo"),
        _words("Park Smith Taylor Brown Wilson Clarke Hughes Walker Green Baker Lee Wood"),
    ),
    "irish": Names(
        _words("Siobhán Seán Aoife Niamh Pádraig Róisín Eoin Caoimhe Ciarán Gráinne"),
        _words("O'Brien O'Neill Murphy Ó_Súilleabháin McCarthy Byrne Ní_Dhomhnaill Walsh"),
    ),
    "spanish": Names(
        _words("Lucía Mateo Sofía José Ana-María Íñigo Núria Andrés Jesús Begoña Raúl"),
        _words("García_López Muñoz Núñez Hernández de_la_Cruz Peña Ibáñez Castaño Vélez"),
    ),
    "french": Names(
        _words("Léa Chloé François Zoé Jean-Luc Hélène Benoît Anaïs Noël Gaëlle Rémi"),
        _words("Lefèvre Dubois Bérenger d'Aubigné Le_Goff Gérard Crépin Hébert L'Hôte"),
    ),
    "german": Names(
        _words("Jürgen Käthe Björn Günther Lena Sören Anke Jörg Mareike Uwe Till"),
        _words("Müller Weiß Schröder von_der_Heide Groß Jäger Köhler Vogt Freiherr_von_Tann"),
    ),
    "dutch": Names(
        _words("Daan Sanne Joost Anouk Bram Femke Thijs Maaike Sjoerd Noor"),
        _words("de_Vries van_den_Berg 't_Hooft Jansen van_'t_Hoff IJzerman Bakker Smit"),
    ),
    "nordic": Names(
        _words("Åsa Søren Bjørn Märta Øyvind Linnéa Þórdís Guðrún Jón Ulla Pär"),
        _words("Ångström Sørensen Ødegård Jónsdóttir Håkansson Þorsteinsson Berg Lind Æbelø"),
    ),
    "polish": Names(
        _words("Zofia Łukasz Małgorzata Paweł Agnieszka Stanisław Żaneta Michał Bożena"),
        _words("Kowalski Wójcik Dąbrowska Żółkiewski Szczepański Łęcka Grześkowiak Nowak"),
    ),
    "turkish": Names(
        _words("Ayşe İbrahim Çağla Oğuz Şule Gökhan Işıl Ümit Özge Kağan"),
        _words("Yılmaz Şahin Öztürk Çelik Doğan Güneş Işık Kılıç Yıldız"),
    ),
    "vietnamese": Names(
        _words("Ngọc Thảo Đức Hường Tuấn Phượng Khánh Hạnh Bảo Thùy"),
        _words("Nguyễn Trần Lê Phạm Huỳnh Đặng Vũ Võ Bùi Đỗ"),
    ),
    "yoruba": Names(
        _words("Adébáyọ̀ Fọlákẹ́ Olúwaṣeun Yẹ́misí Chinedu Ngozi Ìfẹ́olúwa Tọ́pẹ́"),
        _words("Adéyẹmí Ògúnlẹ́yẹ Okonkwo Ọláníyan Eze Akíntọ́lá Nwosu Bámidélé"),
    ),
    "portuguese": Names(
        _words("João Conceição Antônio Inês Gonçalo Thaís Luís Graça Otávio"),
        _words("da_Silva Gonçalves Araújo dos_Santos Magalhães Assunção Brandão Sá"),
    ),
    "ukrainian": Names(
        _words(
            "Олена=olena Тарас=taras Соломія=solomiia Ігор=ihor Ганна=hanna Юрій=yurii "
            "Дарʼя=daria Євген=yevhen"
        ),
        _words(
            "Шевченко=shevchenko Коваленко=kovalenko Їжакевич=yizhakevych Бондар=bondar "
            "Лисенко=lysenko Гончар=honchar Ґалаґан=galagan"
        ),
    ),
    "greek": Names(
        _words("Ελένη=eleni Γιώργος=giorgos Σοφία=sofia Νίκος=nikos Θάλεια=thaleia Άννα=anna"),
        _words("Παπαδοπούλου=papadopoulou Νικολάου=nikolaou Γεωργίου=georgiou Οικονόμου=oikonomou"),
    ),
    "arabic": Names(
        _words("ليلى=layla عمر=omar فاطمة=fatima يوسف=yousef نور=noor خالد=khaled أمينة=amina"),
        _words("الحسن=alhassan حداد=haddad عبد_الله=abdullah منصور=mansour الفارسي=alfarsi"),
    ),
    "hebrew": Names(
        _words("נועה=noa יוסי=yossi מאיה=maya אברהם=avraham תמר=tamar דניאל=daniel"),
        _words("כהן=cohen לוי=levi מזרחי=mizrahi פרידמן=friedman בן-דוד=ben-david"),
    ),
    "hindi": Names(
        _words("प्रिया=priya अर्जुन=arjun लक्ष्मी=lakshmi राहुल=rahul सीता=sita Anjali Vikram Ishaan"),
        _words("शर्मा=sharma गुप्ता=gupta त्रिपाठी=tripathi Iyer Krishnamurthy Patel Bose Rao"),
    ),
    "thai": Names(
        _words("สมชาย=somchai อรุณี=arunee ปิยะ=piya นภา=napha กิตติ=kitti"),
        _words("ศรีสุข=srisuk วงศ์ไทย=wongthai แก้วมณี=kaewmanee บุญมี=boonmee"),
    ),
    "chinese": Names(
        _words("小明=xiaoming 丽华=lihua 伟=wei 静=jing 子涵=zihan 秀英=xiuying 磊=lei 雪=xue"),
        _words("王=wang 李=li 张=zhang 欧阳=ouyang 陈=chen 林=lin 𠮷田=jitian"),
    ),
    "japanese": Names(
        _words("美咲=misaki 太郎=taro さくら=sakura 健=ken ハナ=hana 悠真=yuma 結衣=yui"),
        _words("佐藤=sato 高橋=takahashi 小林=kobayashi 渡邉=watanabe 髙田=takada 東=azuma"),
    ),
    "korean": Names(
        _words("민준=minjun 서연=seoyeon 지우=jiwoo 하은=haeun 도윤=doyun 수아=sua"),
        _words("김=kim 이=lee 박=park 최=choi 남궁=namgung 정=jung"),
    ),
}

OFFICES = (
    Office("Austin", "Austin", "TX", "United States", "+1 512 555", 26, ("english", "spanish")),
    Office("London", "London", None, "United Kingdom", "+44 20 7946", 15, ("english", "yoruba")),
    Office("Dublin", "Dublin", None, "Ireland", "+353 1 555", 6, ("irish", "english")),
    Office("Berlin", "Berlin", None, "Germany", "+49 30 5550", 9, ("german", "turkish")),
    Office("Paris", "Paris", None, "France", "+33 1 99 00", 5, ("french",)),
    Office("Madrid", "Madrid", None, "Spain", "+34 919 900", 5, ("spanish",)),
    Office("Amsterdam", "Amsterdam", None, "Netherlands", "+31 20 555", 4, ("dutch",)),
    Office("Oslo", "Oslo", None, "Norway", "+47 21 55", 3, ("nordic",)),
    Office("Kraków", "Kraków", None, "Poland", "+48 12 555", 4, ("polish", "ukrainian")),
    Office("Kyiv", "Kyiv", None, "Ukraine", "+380 44 555", 2, ("ukrainian",)),
    Office("Athens", "Athens", None, "Greece", "+30 21 0555", 1, ("greek",)),
    Office("Tel Aviv", "Tel Aviv-Yafo", None, "Israel", "+972 3 555", 2, ("hebrew",)),
    Office("Dubai", "Dubai", None, "United Arab Emirates", "+971 4 555", 2, ("arabic", "hindi")),
    Office("Bengaluru", "Bengaluru", "Karnataka", "India", "+91 80 5550", 6, ("hindi",)),
    Office("Bangkok", "Bangkok", None, "Thailand", "+66 2 555", 1, ("thai",)),
    Office("Hanoi", "Hà Nội", None, "Vietnam", "+84 24 5555", 1, ("vietnamese",)),
    Office("Shanghai", "Shanghai", None, "China", "+86 21 5555", 2, ("chinese",)),
    Office("Tokyo", "Tokyo", None, "Japan", "+81 3 5555", 2, ("japanese",)),
    Office("Seoul", "Seoul", None, "Korea, Republic of", "+82 2 555", 1, ("korean",)),
    Office("São Paulo", "São Paulo", "SP", "Brazil", "+55 11 5555", 3, ("portuguese",)),
)

DEPARTMENTS = (
    Department(
        "Engineering",
        "Product",
        28,
        ("VP Engineering", "Engineering Manager", "Senior Engineer", "Engineer", "Junior Engineer"),
    ),
    Department(
        "Product Management",
        "Product",
        8,
        ("Chief Product Officer", "Group Product Manager", "Product Manager", "Product Analyst"),
    ),
    Department("Design", "Product", 5, ("Head of Design", "Lead Designer", "Product Designer")),
    Department(
        "Sales",
        "Revenue",
        17,
        ("Chief Revenue Officer", "Sales Manager", "Account Executive", "Sales Representative"),
    ),
    Department(
        "Customer Support",
        "Revenue",
        14,
        ("Head of Support", "Support Lead", "Support Engineer", "Support Agent"),
    ),
    Department(
        "Marketing", "Revenue", 7, ("Chief Marketing Officer", "Marketing Manager", "Copywriter")
    ),
    Department("Finance", "Operations", 5, ("Chief Financial Officer", "Controller", "Analyst")),
    Department("Legal", "Operations", 2, ("General Counsel", "Counsel", "Paralegal")),
    Department("IT", "Operations", 4, ("Head of IT", "Systems Administrator", "IT Technician")),
    Department(
        "Facilities & Safety", "Operations", 3, ("Head of Facilities", "Facilities Coordinator")
    ),
    Department("People", "Operations", 4, ("HR Manager", "HR Partner", "Recruiter")),
)

PREFERRED_NAMES = ("Sam", "Alex", "Max", "Kit", "Bo", "Zé", "Nick", "Jo", "Annie", "Señor T")

EMPLOYMENT_STATUSES = (
    "Full-Time",
    "Part-Time",
    "Contractor",
    "Intern",
    "Leave of Absence",
    "Terminated",
)
